// What a hand does to levels, by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { moved, painted, presetLevels, sameLevels, snap, withLevel } = functions(
  ["explore/mixer/forecast.js", "explore/mixer/levels.js"],
  ["moved", "painted", "presetLevels", "sameLevels", "snap", "withLevel"],
);
const free = () => false;

test("levels snap to hundredths between 0 and the highest", () => {
  assert.equal(snap(0.333, 0.95), 0.33);
  assert.equal(snap(-0.2, 0.95), 0);
  assert.equal(snap(0.999, 0.95), 0.95);
});

test("a moved group keeps its painted shape, and what is locked", () => {
  const levels = [0.2, 0.4, 0, 0.6, 0.9];
  const table = { parameters: [1, 1, 1, 2, 5], maxLevel: 0.95 };
  assert.deepEqual(moved(levels, [0, 1, 2], 0.1, table, free), [0.1, 0.2, 0, 0.6, 0.9]);
  assert.deepEqual(moved(levels, [0, 1, 2, 3], 0.6, table, (group) => group === 3), [0.85, 0.95, 0, 0.6, 0.9]);
  assert.deepEqual(levels, [0.2, 0.4, 0, 0.6, 0.9], "the old levels are left alone");
});

test("a curve of zeros rises evenly, and a scope that is all locked does not move", () => {
  const table = { parameters: [1, 3], maxLevel: 0.95 };
  assert.deepEqual(moved([0, 0], [0, 1], 0.37, table, free), [0.37, 0.37]);
  assert.deepEqual(moved([0.2, 0.3], [0, 1], 0.9, table, () => true), [0.2, 0.3]);
});

test("a fast stroke leaves no gap, forwards or backwards", () => {
  const row = new Map([[0, 0], [1, 1], [2, 2], [4, 3]]);
  const stroke = [{ layer: 0, level: 0.1 }, { layer: 4, level: 0.5 }];
  assert.deepEqual(painted([0, 0, 0, 0], row, ...stroke, 0.95, free), [0.1, 0.2, 0.3, 0.5]);
  assert.deepEqual(painted([0, 0, 0, 0], row, stroke[1], stroke[0], 0.95, free), [0.1, 0.2, 0.3, 0.5]);
  assert.deepEqual(painted([0, 0, 0, 0], row, ...stroke, 0.95, (group) => group === 1), [0.1, 0, 0.3, 0.5]);
  const point = { layer: 1, level: 0.7 };
  assert.deepEqual(painted([0, 0, 0, 0], row, point, point, 0.95, free), [0, 0.7, 0, 0]);
});

test("groups are set to a level unless they are locked", () => {
  assert.deepEqual(withLevel([0.1, 0.1, 0.1], [0, 2], 0.5, 0.95, (group) => group === 2), [0.5, 0.1, 0.1]);
});

test("a preset has a fixed part and one that goes with the overall level", () => {
  const preset = { fixed: [0.1, 0, 0], times: [0, 1.5, 4] };
  assert.deepEqual(presetLevels([0.7, 0.7, 0.7], preset, 0.3, 0.95, free), [0.1, 0.45, 0.95]);
  assert.deepEqual(presetLevels([0.7, 0.7, 0.7], preset, 0.3, 0.95, (group) => group === 0), [0.7, 0.45, 0.95]);
});

test("levels are the same number by number", () => {
  assert.ok(sameLevels([0.1, 0.2], [0.1, 0.2]));
  assert.ok(!sameLevels([0.1, 0.2], [0.1, 0.3]));
  assert.ok(!sameLevels([0.1], [0.1, 0.2]));
});
