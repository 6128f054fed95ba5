// What a plan makes of size and time: the arithmetic of pruning/planning/cost/plan_cost.py, for the browser to
// do in every frame. `table.cost` is what pruning/ui/data/costs.py gives, and `levels` has one number for
// each of `table.groups`, kinds of weights and of units alike.

const COST_UNITS = ["neurons", "heads", "kv_groups"];
const COST_MODES = ["prefill", "decode"];

function costs(table, levels) {
  const { parts, latency, denseMs } = table.cost;
  const plan = levelsByLayer(table.groups, levels);
  const left = { weights: parts.fixed, saved: 0, prunable: 0, whole: 0, keysValues: 0 };
  const savedMs = { prefill: 0, decode: 0 };
  let timed = latency !== null;
  for (const layer of parts.layers) {
    for (const shape of Object.values(layer.shapes)) left.whole += shape[0] * shape[1];
    const given = plan.get(layer.layer) ?? {};
    const gone = unitsGone(layer, given, parts.roundTo);
    if (latency !== null) timed = addSavedMs(latency, layer, given, gone, savedMs) && timed;
    if (given.layers) continue;
    addLayer(layer, given, gone, parts.weightBytes, left);
  }
  const { weightBytes } = parts;
  const fileBytes = weightBytes * left.weights;
  const speedup = timed ? measuredSpeedup(latency, savedMs) : estimatedSpeedup(parts, left);
  const dense = latency?.dense ?? denseMs ?? {};
  const [prefillMs, decodeMs] = COST_MODES.map((mode) => (mode in dense ? dense[mode] / speedup[mode] : null));
  return {
    fileBytes,
    compactBytes: Math.round(fileBytes - left.saved),
    memoryBytes: fileBytes + weightBytes * parts.contextTokens * left.keysValues,
    prefillMs,
    decodeMs,
    timed,
    prefillSpeedup: speedup.prefill,
    decodeSpeedup: speedup.decode,
  };
}

// Levels above 0 by layer: {kind: level}.
function levelsByLayer(groups, levels) {
  const plan = new Map();
  groups.forEach(({ layer, kind }, group) => {
    if (!(levels[group] > 0)) return;
    if (!plan.has(layer)) plan.set(layer, {});
    plan.get(layer)[kind] = levels[group];
  });
  return plan;
}

// How many units of each kind a layer loses: only whole ones can go.
function unitsGone({ units }, given, roundTo) {
  const gone = {};
  for (const kind of COST_UNITS) {
    const total = units[kind] ?? 0;
    gone[kind] = total ? wholeUnits(total, given[kind] ?? 0, kind === "neurons" ? roundTo : null) : 0;
  }
  return gone;
}

// See `units_gone` of pruning/planning/recipe/plan.py.
function wholeUnits(total, level, roundTo = null) {
  let kept = Math.max(1, total - halfToEven(level * total));
  if (roundTo && kept < total) {
    const most = Math.floor(total / roundTo) * roundTo;
    kept = Math.min(Math.max(roundTo, halfToEven(kept / roundTo) * roundTo), most) || total;
  }
  return total - kept;
}

// As Python rounds: a half goes to the even number.
function halfToEven(value) {
  const below = Math.floor(value);
  const beyond = value - below;
  if (beyond !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

// What stays of a layer: its weights, and what zeros among them save in a compact file.
function addLayer(layer, given, gone, weightBytes, left) {
  left.weights += layer.norms;
  for (const [kind, shape] of Object.entries(layer.shapes)) {
    const [rows, columns] = keptShape(layer, kind, shape, gone);
    const count = rows * columns;
    left.prunable += count;
    left.weights += count + halfToEven(((layer.biases[kind] ?? 0) * rows) / shape[0]);
    const whole = count * weightBytes;
    left.saved += whole - Math.min(whole, count * (1 - (given[kind] ?? 0)) * weightBytes + count / 8);
  }
  const [heads, groups] = headsGone(layer, gone);
  const shared = heads ? layer.units.kv_groups - groups : layer.units.kv_groups;
  left.keysValues += heads ? (layer.keysValues * shared) / layer.units.kv_groups : layer.keysValues;
}

// [heads, KV groups] that a layer loses: keys and values stay with heads that share them.
function headsGone({ units }, gone) {
  if (gone.kv_groups) return [(gone.kv_groups * units.heads) / units.kv_groups, gone.kv_groups];
  if (!gone.heads) return [0, 0];
  return [gone.heads, units.kv_groups - Math.min(units.kv_groups, units.heads - gone.heads)];
}

function keptShape(layer, kind, [rows, columns], gone) {
  if (kind === "gate" || kind === "up") return [rows - gone.neurons, columns];
  if (kind === "down") return [rows, columns - gone.neurons];
  const [heads, groups] = headsGone(layer, gone);
  if (!heads) return [rows, columns];
  const queries = (heads * layer.shapes.attn_out[1]) / layer.units.heads;
  if (kind === "attn_out") return [rows, columns - queries];
  return [rows - queries - (groups * layer.keysValues) / layer.units.kv_groups, columns];
}

// Adds the milliseconds that a layer saves to `savedMs`; false where one of its kinds was not timed.
function addSavedMs(latency, layer, given, gone, savedMs) {
  const shares = { ...(given.layers ? { layers: 1 } : {}) };
  for (const kind of COST_UNITS) if (gone[kind]) shares[kind] = gone[kind] / layer.units[kind];
  const kinds = Object.keys(shares);
  if (kinds.some((kind) => !(kind in latency.shares))) return false;
  for (const mode of COST_MODES) {
    const saved = kinds.map((kind) => savedBy(latency.shares[kind], latency.saved[mode][kind], shares[kind]));
    const whole = latency.saved[mode].layers?.at(-1) ?? Infinity;
    savedMs[mode] += Math.min(whole, saved.reduce((one, other) => one + other, 0));
  }
  return true;
}

// Between shares that were measured a straight line, beyond the last the line goes on.
function savedBy(shares, saved, share) {
  let right = 1;
  while (right < shares.length - 1 && shares[right] < share) right += 1;
  const left = right - 1;
  const way = (share - shares[left]) / (shares[right] - shares[left]);
  return saved[left] + way * (saved[right] - saved[left]);
}

function measuredSpeedup({ dense }, savedMs) {
  const [prefill, decode] = COST_MODES.map((mode) => dense[mode] / Math.max(dense[mode] - savedMs[mode], 1e-9));
  return { prefill, decode };
}

// By operations and by the bytes that one step reads: see `estimated_speedup` of roofline.py.
function estimatedSpeedup({ tokens, head, unread, weights }, left) {
  const operations = (prunable) => tokens * prunable + head;
  return {
    prefill: operations(left.whole) / operations(left.prunable),
    decode: (weights - unread) / (left.weights - unread),
  };
}
