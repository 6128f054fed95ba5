// From levels to a forecast: the arithmetic of pruning/planning/forecast/predict.py, for the browser to do in
// every frame. Python stays the authority; a test holds the same plans against both. `table` is what
// pruning/ui/explore/mixer/payload.py sends, constants included, and `levels` has one number a group,
// 0..0.95, of whole layers 0 or 1. `wholeUnits` is of shared/cost.js.

// Levels of units as whole ones make them: see `Mix.whole` of pruning/planning/forecast/mixed.py.
function inWholeUnits({ counts }, levels) {
  return levels.map((level, group) => {
    const total = counts[group];
    return total > 0 && level > 0 ? wholeUnits(total, level) / total : level;
  });
}

// What stays of every group of weights beside the units, 0..1: see `Mix.kept`.
function keptShares({ taken }, levels) {
  const gone = levels.map(() => 0);
  for (const [weights, units, share] of taken) gone[weights] += share * levels[units];
  return gone.map((share) => Math.max(0, 1 - share));
}

// What each group costs in a plan: units, and weights in what stays of their group beside them.
function planCosts(table, levels, kept) {
  const power = table.constants.keptPower;
  return groupCosts(table, levels).map((cost, group) => cost * kept[group] ** power);
}

function groupCosts(table, levels) {
  const { known, logCosts } = table;
  const last = known.length - 1;
  return levels.map((level, group) => {
    if (level <= 0) return 0;
    const wanted = Math.log(level);
    const costs = logCosts[group];
    if (last === 0) return Math.exp(costs[0] + 2 * (wanted - known[0]));
    let right = 1;
    while (right < last && known[right] < wanted) right += 1;
    const left = right - 1;
    const share = (wanted - known[left]) / (known[right] - known[left]);
    return Math.exp(costs[left] + share * (costs[right] - costs[left]));
  });
}

function forecast(table, given) {
  const { constants: fixed, dense } = table;
  const levels = inWholeUnits(table.mix, given);
  const kept = keptShares(table.mix, levels);
  const costs = planCosts(table, levels, kept);
  const total = sum(costs);
  const kl = klOf(total, table);
  const spread = spreadOf(table, costs, total);
  const factor = Math.exp(fixed.band * spread);
  const { loss, agreement, accuracy } = table.calibration.quality;
  const range = (relation) => bandAt(relation, kl, spread, fixed.band);
  const [lossLow, lossHigh] = range(loss);
  const [differLow, differHigh] = range(agreement);
  const [wrongLow, wrongHigh] = range(accuracy);
  const grown = (rise) => dense.perplexity * Math.exp(Math.min(rise, fixed.maxKl));
  const sizes = sizesAt(table, levels, kept);
  return {
    kl,
    klLow: kl / factor,
    klHigh: Math.min(kl * factor, fixed.maxKl),
    perplexity: grown(relationAt(loss, kl)),
    perplexityLow: grown(lossLow),
    perplexityHigh: grown(lossHigh),
    agreement: Math.exp(-relationAt(agreement, kl)),
    agreementLow: Math.exp(-differHigh),
    agreementHigh: Math.min(1, Math.exp(-differLow)),
    accuracy: dense.accuracy * Math.exp(-relationAt(accuracy, kl)),
    accuracyLow: dense.accuracy * Math.exp(-wrongHigh),
    accuracyHigh: Math.min(1, dense.accuracy * Math.exp(-wrongLow)),
    fileBytes: sizes.fileBytes,
    bytes: sizes.bytes,
    sparsity: sizes.sparsity,
    // Each group's share of the forecast KL; they add up to it.
    damage: total > 0 ? costs.map((cost) => (cost * kl) / total) : costs,
  };
}

// The standard deviation of log KL: what no factor explains, single groups' own errors, and how well the
// factors are known.
function spreadOf(table, costs, total) {
  const { constants: fixed, calibration } = table;
  if (total <= 0) return calibration.spread;
  const whole = costs.map((cost, group) => (isLayer(table, group) ? cost : 0));
  const single = costs.map((cost, group) => cost * (whole[group] ? fixed.layerSpread : fixed.groupSpread));
  const squares = sum(single.map((cost) => cost * cost)) + (fixed.setSpread * sum(whole)) ** 2 * leaning(table, whole);
  let variance = calibration.spread ** 2 + squares / total ** 2;
  const known = calibration.covariance;
  if (known.length > 0) {
    const shares = new Map();
    let depth = 0;
    costs.forEach((cost, group) => {
      const { kind, layer } = table.groups[group];
      shares.set(kind, (shares.get(kind) ?? 0) + cost / total);
      if (table.layers > 1) depth += ((2 * layer) / (table.layers - 1) - 1) * (cost / total);
    });
    const slopes = [1, Math.log(total / fixed.pivot)];
    for (const kind of calibration.kinds) slopes.push(calibration.beta * (shares.get(kind) ?? 0));
    slopes.push(calibration.beta * depth);
    slopes.forEach((one, row) => {
      slopes.forEach((other, column) => {
        variance += one * known[row][column] * other;
      });
    });
  }
  return Math.sqrt(variance);
}

function isLayer(table, group) {
  return table.groups[group].kind === "layers";
}

// How many layers go after the first, and how many pairs of them are neighbours; 0 for one layer alone.
function leaning(table, whole) {
  const gone = table.groups.filter((_, group) => whole[group] > 0).map(({ layer }) => layer);
  const pairs = gone.filter((layer) => gone.includes(layer + 1));
  return Math.max(0, gone.length - 1) + pairs.length;
}

// What is to be said of the plan's whole layers; null where it drops none. See `layer_set` of
// pruning/planning/forecast/diagnostics.py.
function layerSet(table, seen) {
  const whole = seen.damage.map((cost, group) => (isLayer(table, group) ? cost : 0));
  const layers = table.groups.filter((_, group) => whole[group] > 0).map(({ layer }) => layer);
  if (layers.length === 0) return null;
  const share = sum(whole) / seen.kl;
  const neighbours = layers.filter((layer) => layers.includes(layer + 1)).length;
  const together = layers.length >= table.constants.manyLayers || neighbours > 0;
  return { layers, share, neighbours, weak: together && share >= table.constants.weakShare };
}

function klOf(cost, table) {
  const { kappa, beta } = table.calibration;
  return cost > 0 ? Math.min(kappa * cost ** beta, table.constants.maxKl) : 0;
}

// y = exp θ · KL^b: see pruning/planning/forecast/quality.py.
function relationAt({ theta, power }, kl) {
  return kl > 0 ? Math.exp(theta) * kl ** power : 0;
}

// The range of y, `width` standard deviations either way, where log KL has the deviation `spread`.
function bandAt(relation, kl, spread, width) {
  if (kl <= 0) return [0, 0];
  const y = relationAt(relation, kl);
  const factor = Math.exp(width * Math.hypot(relation.power * spread, relation.spread, relation.sd));
  const chance = width * relation.noise * Math.sqrt(kl);
  return [y - Math.hypot(y - y / factor, chance), y + Math.hypot(y * factor - y, chance)];
}

// Questions right, all capabilities together: pruning/planning/forecast/capability_accuracy.py, `overall`.
// Null where the unpruned model was asked none.
function questionsRight(table, seen) {
  const { curves, constants } = table;
  if (!curves || curves.length === 0) return null;
  const all = sum(curves.map(({ questions }) => questions));
  const mean = (of) => sum(curves.map((curve) => of(curve) * curve.questions)) / all;
  const changed = ({ a, b }, kl) => (kl > 0 ? 1 - Math.exp(-a * kl ** b) : 0);
  const at = (kl) => mean((curve) => curve.chance + (curve.dense - curve.chance) * (1 - changed(curve, kl)));
  const dense = mean((curve) => curve.dense);
  const value = at(seen.kl);
  if (seen.kl <= 0) return { dense, value, low: value, high: value };
  const scatter = sum(
    curves.map((curve) => {
      const share = changed(curve, seen.kl);
      const [lost, won] = [share * (1 - curve.chance), share * curve.chance];
      return curve.questions * (curve.dense * lost * (1 - lost) + (1 - curve.dense) * won * (1 - won));
    }),
  );
  const unsure = constants.band * Math.hypot(mean((curve) => curve.spread), Math.sqrt(scatter) / all);
  const [worse, better] = [at(seen.klHigh), at(seen.klLow)].sort((one, other) => one - other);
  return {
    dense,
    value,
    low: Math.max(0, value - Math.hypot(value - worse, unsure)),
    high: Math.min(1, value + Math.hypot(better - value, unsure)),
  };
}

// Bytes of a compact file and of an ordinary one, and the share of all weights that is gone. Units are cut
// out; single weights that are zero take one bit of the compact file, or stay where that is smaller.
function sizesAt({ mix, parameters, dense }, levels, kept) {
  const each = dense.weightBytes;
  let [cut, saved, left, all] = [0, 0, 0, 0];
  parameters.forEach((count, group) => {
    if (mix.units[group]) {
      cut += levels[group] * mix.rest[group];
      return;
    }
    const there = count * kept[group];
    const stays = there * (1 - levels[group]);
    cut += count - there;
    saved += there * each - Math.min(there * each, stays * each + there / 8);
    left += stays;
    all += count;
  });
  const fileBytes = dense.bytes - each * cut;
  return { fileBytes, bytes: fileBytes - saved, sparsity: 1 - left / all };
}

function sparseBytes(table, levels) {
  const whole = inWholeUnits(table.mix, levels);
  return sizesAt(table, whole, keptShares(table.mix, whole)).bytes;
}

function meanLevel(weights, levels) {
  return sum(levels.map((level, group) => level * weights[group])) / sum(weights);
}

function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
