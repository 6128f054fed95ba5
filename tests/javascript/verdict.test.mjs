// The verdict beside the faders, by hand; its limits come from Python.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { forecastVerdict, klText } = functions(["explore/mixer/verdict.js"], ["forecastVerdict", "klText"]);
const table = { constants: { levels: ["safe", "noticeable", "broken"], klLimits: [0.1, 0.5] } };
const level = (klLow, klHigh) => forecastVerdict(table, { klLow, klHigh }).level;

test("a band inside one level is sure of it; a limit belongs to the level above", () => {
  assert.equal(level(0.01, 0.09), "safe");
  assert.equal(level(0.1, 0.49), "noticeable");
  assert.equal(level(0.5, 3), "broken");
});

test("a band over a limit says so, and looks like its worse end", () => {
  assert.equal(level(0.05, 0.1), "safe to noticeable");
  assert.equal(level(0.05, 0.5), "safe to broken");
  assert.equal(forecastVerdict(table, { klLow: 0.2, klHigh: 0.7 }).worst, "broken");
});

test("small KLs keep the figures that matter", () => {
  assert.equal(klText(0.0004), "below 0.001");
  assert.equal(klText(0.0341), "0.034");
  assert.equal(klText(1.234), "1.23");
});
