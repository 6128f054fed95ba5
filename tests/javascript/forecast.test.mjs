// The browser's forecast, by hand. Python's own is held against it in a browser test.

import assert from "node:assert/strict";
import { test } from "node:test";
import { close, functions } from "./sources.mjs";

const {
  bandAt,
  questionsRight,
  forecast,
  groupCosts,
  inWholeUnits,
  keptShares,
  klOf,
  meanLevel,
  planCosts,
  relationAt,
  sparseBytes,
  spreadOf,
} = functions(
  ["shared/cost.js", "explore/mixer/forecast.js"],
  [
    "bandAt",
    "questionsRight",
    "forecast",
    "groupCosts",
    "inWholeUnits",
    "keptShares",
    "klOf",
    "meanLevel",
    "planCosts",
    "relationAt",
    "sparseBytes",
    "spreadOf",
  ],
);

const CONSTANTS = {
  band: 1.28,
  groupSpread: 0.3,
  layerSpread: 0.5,
  setSpread: 0.1,
  keptPower: 1,
  pivot: 0.4,
  maxKl: 12,
};

const QUALITY = {
  loss: { theta: Math.log(0.9), sd: 0.2, spread: 0.1, noise: 0.01, power: 1.1 },
  agreement: { theta: Math.log(0.9), sd: 0.1, spread: 0.05, noise: 0.01, power: 0.6 },
  accuracy: { theta: Math.log(0.3), sd: 0.2, spread: 0.1, noise: 0.02, power: 1.1 },
};

// Two groups whose costs are known at 25 % and 50 %.
function table(calibration = {}) {
  return {
    known: [Math.log(0.25), Math.log(0.5)],
    logCosts: [
      [Math.log(0.01), Math.log(0.04)],
      [Math.log(0.1), Math.log(0.8)],
    ],
    groups: [
      { layer: 0, kind: "up" },
      { layer: 1, kind: "down" },
    ],
    order: ["up", "down"],
    layers: 2,
    parameters: [1000, 3000],
    mix: { units: [false, false], counts: [0, 0], rest: [0, 0], taken: [] },
    dense: { perplexity: 30, accuracy: 0.4, bytes: 20000, weightBytes: 4 },
    constants: CONSTANTS,
    calibration: { kappa: 1.25, beta: 1, spread: 0.2, covariance: [], kinds: [], quality: QUALITY, ...calibration },
  };
}

test("costs lie on straight lines between the logarithms of levels and costs", () => {
  const [known, other] = groupCosts(table(), [0.25, 0.5]);
  close(known, 0.01);
  close(other, 0.8);
  // Halfway in log level from 0.25 to 0.5, cost 0.01 to 0.04: the geometric mean.
  close(groupCosts(table(), [Math.sqrt(0.125), 0])[0], 0.02);
});

test("outside the known levels the nearest line is carried on, and level 0 costs nothing", () => {
  const [low, none] = groupCosts(table(), [0.125, 0]);
  close(low, 0.0025);
  assert.equal(none, 0);
  close(groupCosts(table(), [1, 0])[0], 0.16);
});

test("with one known level costs rise with its square", () => {
  const single = { ...table(), known: [Math.log(0.5)], logCosts: [[Math.log(0.04)], [Math.log(0.8)]] };
  close(groupCosts(single, [0.25, 0])[0], 0.01);
});

test("KL is kappa times a power of the summed cost, up to the highest there is", () => {
  close(klOf(0.16, table({ kappa: 2, beta: 0.5 })), 0.8);
  assert.equal(klOf(0, table()), 0);
  assert.equal(klOf(1e9, table()), CONSTANTS.maxKl);
});

test("the loss rises by less than the KL where little is pruned", () => {
  close(relationAt(QUALITY.loss, 0.1), 0.9 * 0.1 ** 1.1);
  assert.equal(relationAt(QUALITY.loss, 0), 0);
});

test("a band holds what the KL, the factor and the plan itself may be off, and chance", () => {
  const [low, high] = bandAt(QUALITY.agreement, 0.5, 0.2, 1);
  const y = 0.9 * 0.5 ** 0.6;
  const factor = Math.exp(Math.sqrt((0.6 * 0.2) ** 2 + 0.05 ** 2 + 0.1 ** 2));
  const chance = 0.01 * Math.sqrt(0.5);
  close(low, y - Math.hypot(y - y / factor, chance));
  close(high, y + Math.hypot(y * factor - y, chance));
  assert.deepEqual(bandAt(QUALITY.agreement, 0, 0.2, 1), [0, 0]);
});

test("a forecast has its figures, and each group its share of the KL", () => {
  const seen = forecast(table(), [0.25, 0.5]);
  const kl = 1.25 * 0.81;
  close(seen.kl, kl);
  close(seen.perplexity, 30 * Math.exp(0.9 * kl ** 1.1));
  close(seen.damage[0] + seen.damage[1], kl);
  close(seen.damage[1] / seen.damage[0], 80);
  close(seen.agreement, Math.exp(-0.9 * kl ** 0.6));
  // Group up keeps 750 of 1,000 weights in 3,000 bytes and 125 of marks, down half of 3,000.
  close(seen.bytes, 20000 - (4000 - 3125) - (12000 - 6375));
  close(seen.sparsity, (250 + 1500) / 4000);
  assert.ok(seen.klLow < kl && kl < seen.klHigh);
});

test("nothing pruned is the dense model", () => {
  const seen = forecast(table(), [0, 0]);
  assert.equal(seen.kl, 0);
  assert.equal(seen.perplexity, 30);
  assert.equal(seen.agreement, 1);
  assert.equal(seen.bytes, 20000);
  assert.deepEqual(seen.damage, [0, 0]);
});

test("an ordinary file keeps its size, whatever is zero", () => {
  assert.equal(forecast(table(), [0.9, 0.9]).fileBytes, 20000);
});

test("questions right are the mean over all questions, with a band where something is pruned", () => {
  const curves = [
    { dense: 0.9, chance: 0.5, questions: 10, a: 1, b: 1, spread: 0 },
    { dense: 0.5, chance: 0.5, questions: 30, a: 1, b: 1, spread: 0 },
  ];
  const whole = { ...table(), curves };
  const none = questionsRight(whole, { kl: 0, klLow: 0, klHigh: 0 });
  close(none.value, (10 * 0.9 + 30 * 0.5) / 40);
  assert.deepEqual([none.low, none.high, none.dense], [none.value, none.value, none.value]);
  const pruned = questionsRight(whole, { kl: Math.log(2), klLow: 0.5, klHigh: 1 });
  close(pruned.value, (10 * 0.7 + 30 * 0.5) / 40);
  assert.ok(pruned.low < pruned.value && pruned.value < pruned.high);
  assert.equal(questionsRight({ ...table(), curves: [] }, none), null);
});

test("a group whose sparse form would be larger stays dense", () => {
  assert.equal(sparseBytes(table(), [0.03, 0]), 20000);
});

test("the band widens where few groups carry the cost, and with what the fit does not know", () => {
  const even = spreadOf(table(), [0.5, 0.5], 1);
  const single = spreadOf(table(), [1, 0], 1);
  close(even, Math.sqrt(0.2 ** 2 + 0.3 ** 2 / 2));
  close(single, Math.sqrt(0.2 ** 2 + 0.3 ** 2));
  // Only kappa is uncertain: its variance adds up, wherever the cost lies.
  const covariance = [
    [0.04, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ];
  close(spreadOf(table({ covariance }), [0.5, 0.5], 1), Math.sqrt(even ** 2 + 0.04));
});

test("the mean level is weighted by parameters", () => {
  close(meanLevel([1, 3], [0.2, 0.6]), 0.5);
});

// A layer with groups up and qkv, of which 10 neurons and 4 heads have a part, beside a layer that can go.
function mixed() {
  return {
    ...table(),
    known: [Math.log(0.5)],
    logCosts: [0.1, 0.2, 0.3, 0.4, 0.5].map((cost) => [Math.log(cost)]),
    groups: [
      { layer: 0, kind: "up" },
      { layer: 0, kind: "qkv" },
      { layer: 0, kind: "neurons" },
      { layer: 0, kind: "heads" },
      { layer: 0, kind: "layers" },
    ],
    parameters: [1000, 600, 1000, 400, 1700],
    mix: {
      units: [false, false, true, true, true],
      counts: [0, 0, 10, 4, 0],
      rest: [0, 0, 0, 0, 100],
      taken: [[0, 2, 1], [1, 3, 0.6], [0, 4, 1], [1, 4, 1]],
    },
  };
}

test("only whole units go, and one of them stays", () => {
  const { mix } = mixed();
  assert.deepEqual(inWholeUnits(mix, [0.33, 0.33, 0.33, 0.33, 1]), [0.33, 0.33, 0.3, 0.25, 1]);
  assert.deepEqual(inWholeUnits(mix, [0, 0, 0.01, 0.95, 0]), [0, 0, 0, 0.75, 0]);
});

test("weights cost their share of what stays beside units, and nothing in a layer that is gone", () => {
  const { mix } = mixed();
  const kept = keptShares(mix, [0.5, 0.5, 0.2, 0.5, 0]);
  close(kept[0], 0.8);
  close(kept[1], 0.7);
  const costs = planCosts(mixed(), [0.5, 0.5, 0, 0, 0], kept);
  close(costs[0], 0.08);
  close(costs[1], 0.14);
  assert.deepEqual(keptShares(mix, [0, 0, 0, 0, 1]).slice(0, 2), [0, 0]);
});

test("units are cut out of every file, and zeros out of the compact one", () => {
  const cut = forecast(mixed(), [0.5, 0, 0.2, 0, 0]);
  close(cut.fileBytes, 20000 - 4 * 200);
  close(cut.bytes, 20000 - 4 * 200 - (3200 - (1600 + 100)));
  close(cut.sparsity, (200 + 400) / 1600);
  close(forecast(mixed(), [0, 0, 0, 0, 1]).fileBytes, 20000 - 4 * 1700);
});

test("layers widen the band, and the more so where neighbours go together", () => {
  const layered = {
    ...table(),
    groups: [0, 1, 2, 5].map((layer) => ({ layer, kind: "layers" })),
  };
  close(spreadOf(layered, [1, 0, 0, 0], 1), Math.sqrt(0.2 ** 2 + 0.5 ** 2));
  // Two that are apart, then two neighbours, half of the cost each.
  close(spreadOf(layered, [0.5, 0, 0, 0.5], 1), Math.sqrt(0.2 ** 2 + 0.5 ** 2 / 2 + 0.1 ** 2));
  close(spreadOf(layered, [0.5, 0.5, 0, 0], 1), Math.sqrt(0.2 ** 2 + 0.5 ** 2 / 2 + 2 * 0.1 ** 2));
});
