// What a hand does to levels, by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { functions } from "./sources.mjs";

const { goneLayers, moved, painted, presetLevels, sameLevels, snap, snapTo, together, withLayersGone, withLevel } = functions(
  ["explore/mixer/forecast.js", "explore/mixer/levels.js"],
  ["goneLayers", "moved", "painted", "presetLevels", "sameLevels", "snap", "snapTo", "together", "withLayersGone", "withLevel"],
);
const HUNDREDTHS = { maxLevel: 0.95 };
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
  assert.deepEqual(painted([0, 0, 0, 0], row, ...stroke, HUNDREDTHS, free), [0.1, 0.2, 0.3, 0.5]);
  assert.deepEqual(painted([0, 0, 0, 0], row, stroke[1], stroke[0], HUNDREDTHS, free), [0.1, 0.2, 0.3, 0.5]);
  assert.deepEqual(painted([0, 0, 0, 0], row, ...stroke, HUNDREDTHS, (group) => group === 1), [0.1, 0, 0.3, 0.5]);
  const point = { layer: 1, level: 0.7 };
  assert.deepEqual(painted([0, 0, 0, 0], row, point, point, HUNDREDTHS, free), [0, 0.7, 0, 0]);
});

test("groups are set to a level unless they are locked", () => {
  assert.deepEqual(withLevel([0.1, 0.1, 0.1], [0, 2], 0.5, HUNDREDTHS, (group) => group === 2), [0.5, 0.1, 0.1]);
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

// Two layers with 9 heads in 3 KV groups, 1,536 neurons and weights up; the second layer hurts less.
function mixed() {
  const kinds = ["up", "layers", "heads", "kv_groups", "neurons"];
  const groups = kinds.flatMap((kind) => [0, 1, 2].map((layer) => ({ layer, kind })));
  const counts = { up: 0, layers: 0, heads: 9, kv_groups: 3, neurons: 1536 };
  const rows = Object.fromEntries(kinds.map((kind) => [kind, new Map()]));
  groups.forEach(({ layer, kind }, group) => rows[kind].set(layer, group));
  const prices = [3, 1, 2];
  return {
    groups,
    rows,
    maxLevel: 0.95,
    mix: { counts: groups.map(({ kind }) => counts[kind]) },
    parameters: groups.map(() => 1),
    logCosts: groups.map(({ layer }) => [0, prices[layer]]),
  };
}
const at = (table, kind, layer) => table.rows[kind].get(layer);
const levelsOf = (table, named) => {
  const levels = table.groups.map(() => 0);
  for (const [kind, layer, level] of named) levels[at(table, kind, layer)] = level;
  return levels;
};

test("few units go one by one, many by the hundredth, layers whole", () => {
  const table = mixed();
  assert.equal(snapTo(table, at(table, "heads", 0), 0.25), 0.222222);
  assert.equal(snapTo(table, at(table, "heads", 0), 0.95), 0.888889, "one head stays");
  assert.equal(snapTo(table, at(table, "kv_groups", 0), 0.4), 0.333333);
  assert.equal(snapTo(table, at(table, "neurons", 0), 0.333), 0.33);
  assert.equal(snapTo(table, at(table, "layers", 0), 0.4), 0);
  assert.equal(snapTo(table, at(table, "layers", 0), 0.95), 1);
});

test("a fader of heads takes the same whole number in every layer", () => {
  const table = mixed();
  const row = [...table.rows.heads.values()];
  const next = moved(levelsOf(table, []), row, 0.4, table, free);
  assert.deepEqual(row.map((group) => next[group]), [0.444444, 0.444444, 0.444444]);
});

test("a layer that goes takes its levels along, and takes no others", () => {
  const table = mixed();
  const before = levelsOf(table, [["up", 1, 0.3], ["heads", 1, 0.222222], ["up", 0, 0.4]]);
  const gone = together(table, before, withLevel(before, [at(table, "layers", 1)], 1, table, free), free);
  assert.deepEqual(gone, levelsOf(table, [["layers", 1, 1], ["up", 0, 0.4]]));
  assert.deepEqual([...goneLayers(table, gone)], [1]);
  const painting = withLevel(gone, [at(table, "neurons", 1), at(table, "neurons", 2)], 0.2, table, free);
  assert.deepEqual(together(table, gone, painting, free), levelsOf(table, [["layers", 1, 1], ["up", 0, 0.4], ["neurons", 2, 0.2]]));
});

test("heads give way to KV groups that are set in the same layer, unless they are locked", () => {
  const table = mixed();
  const before = levelsOf(table, [["heads", 0, 0.222222], ["heads", 1, 0.222222]]);
  const painting = withLevel(before, [at(table, "kv_groups", 0)], 0.3, table, free);
  const expected = levelsOf(table, [["kv_groups", 0, 0.333333], ["heads", 1, 0.222222]]);
  assert.deepEqual(together(table, before, painting, free), expected);
  assert.deepEqual(together(table, before, painting, (group) => table.groups[group].kind === "heads"), before);
  const back = withLevel(expected, [at(table, "heads", 0)], 0.5, table, free);
  assert.deepEqual(together(table, expected, back, free)[at(table, "kv_groups", 0)], 0);
});

test("of layers those go first that hurt least, and one stays", () => {
  const table = mixed();
  const none = levelsOf(table, []);
  const gone = (levels) => [...goneLayers(table, levels)];
  assert.deepEqual(gone(withLayersGone(none, 1, table, free)), [1]);
  assert.deepEqual(gone(withLayersGone(none, 3, table, free)), [1, 2]);
  const own = levelsOf(table, [["layers", 0, 1]]);
  assert.deepEqual(gone(withLayersGone(own, 2, table, free)), [0, 1], "what was chosen by hand stays");
  assert.deepEqual(gone(withLayersGone(withLayersGone(own, 2, table, free), 1, table, free)), [1], "what hurts most comes back");
  assert.deepEqual(gone(withLayersGone(none, 2, table, (group) => table.groups[group].layer === 1)), [0, 2].slice(0, 2));
});
