// From levels to a forecast: the arithmetic of pruning/planning/forecast/predict.py, for the browser to do in
// every frame. Python stays the authority; a browser test holds the same plans against both. `table` is what
// pruning/ui/explore/mixer/payload.py sends, constants included, and `levels` has one number a group,
// 0..0.95.

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

function forecast(table, levels) {
  const { constants: fixed, dense } = table;
  const costs = groupCosts(table, levels);
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
  const size = sparseBytes(table, levels);
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
    fileBytes: dense.bytes,
    bytes: size,
    sparsity: meanLevel(table.parameters, levels),
    // Each group's share of the forecast KL; they add up to it.
    damage: total > 0 ? costs.map((cost) => (cost * kl) / total) : costs,
  };
}

// The standard deviation of log KL: what no factor explains, single groups' own errors, and how well the
// factors are known.
function spreadOf(table, costs, total) {
  const { constants: fixed, calibration } = table;
  if (total <= 0) return calibration.spread;
  const squares = sum(costs.map((cost) => cost * cost));
  let variance = calibration.spread ** 2 + (fixed.groupSpread ** 2 * squares) / total ** 2;
  const known = calibration.covariance;
  if (known.length > 0) {
    const shares = new Map(table.order.map((kind) => [kind, 0]));
    let depth = 0;
    costs.forEach((cost, group) => {
      const { kind, layer } = table.groups[group];
      shares.set(kind, shares.get(kind) + cost / total);
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

function sparseBytes(table, levels) {
  const each = table.dense.weightBytes;
  let saved = 0;
  table.parameters.forEach((count, group) => {
    const whole = count * each;
    saved += whole - Math.min(whole, (1 - levels[group]) * whole + count / 8);
  });
  return table.dense.bytes - saved;
}

function meanLevel(weights, levels) {
  return sum(levels.map((level, group) => level * weights[group])) / sum(weights);
}

function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
