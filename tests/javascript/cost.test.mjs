// The browser's sizes and times, by hand. Python's own are held against it in test_cost.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { close, functions } from "./sources.mjs";

const { costs, halfToEven, savedBy, wholeUnits } = functions(
  ["shared/cost.js"],
  ["costs", "halfToEven", "savedBy", "wholeUnits"],
);

// Two layers of 4 heads in 2 KV groups and 12 neurons: 480 weights a layer.
const SHAPES = { qkv: [16, 8], attn_out: [8, 8], gate: [12, 8], up: [12, 8], down: [8, 12] };
const LATENCY = {
  dense: { prefill: 100, decode: 40 },
  shares: { neurons: [0, 0.25, 0.5], heads: [0, 0.5], layers: [0, 1] },
  saved: {
    prefill: { neurons: [0, 6, 12], heads: [0, 5], layers: [0, 30] },
    decode: { neurons: [0, 3, 6], heads: [0, 2], layers: [0, 15] },
  },
};
const KINDS = ["qkv", "attn_out", "gate", "up", "down", "layers", "heads", "kv_groups", "neurons"];

function table(layers = 2, cost = {}) {
  const numbers = [...Array(layers).keys()];
  return {
    groups: numbers.flatMap((layer) => KINDS.map((kind) => ({ layer, kind }))),
    cost: {
      latency: LATENCY,
      denseMs: null,
      parts: {
        weightBytes: 4,
        weights: 840 + 480 * layers,
        fixed: 840,
        unread: 0,
        head: 800,
        tokens: 100,
        contextTokens: 100,
        roundTo: null,
        layers: numbers.map((layer) => ({
          layer,
          norms: 0,
          keysValues: 8,
          units: { neurons: 12, heads: 4, kv_groups: 2 },
          shapes: SHAPES,
          biases: {},
        })),
      },
      ...cost,
    },
  };
}

function levelsOf(given, layers = 2) {
  return table(layers).groups.map(({ layer, kind }) => given[`${kind}@${layer}`] ?? 0);
}

test("nothing pruned is the dense model", () => {
  const seen = costs(table(), levelsOf({}));
  assert.equal(seen.fileBytes, 4 * 1800);
  assert.equal(seen.compactBytes, 4 * 1800);
  assert.equal(seen.memoryBytes, 4 * 1800 + 4 * 100 * 16);
  assert.deepEqual([seen.prefillMs, seen.decodeMs, seen.prefillSpeedup, seen.timed], [100, 40, 1, true]);
});

test("units leave the file, weights only the compact one, and a layer takes all along", () => {
  // A quarter of 12 neurons; three quarters of the 72 weights of down that stay; layer 1 altogether.
  const seen = costs(table(), levelsOf({ "neurons@0": 0.26, "down@0": 0.75, "layers@1": 1, "up@1": 0.5 }));
  assert.equal(seen.fileBytes, 4 * (1800 - 480 - 72));
  assert.equal(seen.compactBytes, seen.fileBytes - 288 + 81);
  assert.equal(seen.memoryBytes, seen.fileBytes + 4 * 100 * 8);
  close(seen.prefillMs, 100 - 6 - 30);
  close(seen.decodeSpeedup, 40 / (40 - 3 - 15));
});

test("keys and values stay with heads that share them", () => {
  const dense = costs(table(), levelsOf({}));
  const two = costs(table(), levelsOf({ "heads@0": 0.5 }));
  assert.equal(dense.fileBytes - two.fileBytes, 4 * 64);
  assert.equal(dense.memoryBytes - two.memoryBytes, 4 * 64);
  const three = costs(table(), levelsOf({ "heads@0": 0.75 }));
  assert.equal(dense.fileBytes - three.fileBytes, 4 * (96 + 32));
  assert.equal(dense.memoryBytes - three.memoryBytes, 4 * (96 + 32) + 4 * 100 * 4);
  const group = costs(table(), levelsOf({ "kv_groups@0": 0.5 }));
  assert.equal(dense.memoryBytes - group.memoryBytes, 4 * 96 + 4 * 100 * 4);
});

test("a layer saves no more than by going", () => {
  const little = { ...LATENCY, saved: { ...LATENCY.saved, prefill: { ...LATENCY.saved.prefill, layers: [0, 10] } } };
  const both = levelsOf({ "neurons@0": 0.5, "heads@0": 0.5 });
  close(costs(table(), both).prefillMs, 100 - 17);
  close(costs(table(2, { latency: little }), both).prefillMs, 90);
});

test("what was not timed is estimated by bytes and operations", () => {
  const plan = levelsOf({ "kv_groups@0": 0.5, "neurons@1": 0.5 });
  const seen = costs(table(), plan);
  assert.equal(seen.timed, false);
  const gone = 96 + 144;
  close(seen.decodeSpeedup, 1800 / (1800 - gone));
  close(seen.prefillSpeedup, (100 * 960 + 800) / (100 * (960 - gone) + 800));
  close(seen.decodeMs, (40 * (1800 - gone)) / 1800);
  const never = costs(table(2, { latency: null }), plan);
  assert.deepEqual([never.prefillMs, never.decodeMs, never.timed], [null, null, false]);
  close(costs(table(2, { latency: null, denseMs: { decode: 20 } }), plan).decodeMs, (20 * (1800 - gone)) / 1800);
});

test("only whole units go, and one of them stays", () => {
  assert.deepEqual([0.2, 0.39, 0.95, 1, 0].map((level) => wholeUnits(9, level)), [2, 4, 8, 8, 0]);
  assert.equal(wholeUnits(10, 0.25), 2); // 2.5: a half goes to the even number
  assert.equal(wholeUnits(12, 0.3, 6), 6);
  assert.deepEqual([0.5, 1.5, 2.5, 2.6, -0.2].map(halfToEven), [0, 2, 2, 3, -0]);
});

test("between measured shares a straight line, and it goes on beyond the last", () => {
  const shares = [0, 0.25, 0.5];
  assert.deepEqual([0, 0.125, 0.375, 0.75].map((share) => savedBy(shares, [0, 1, 4], share)), [0, 0.5, 2.5, 7]);
});
