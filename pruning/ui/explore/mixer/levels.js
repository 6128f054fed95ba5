// What a hand does to the levels. Plain functions from old levels to new ones; locked groups stay, and so does
// what contradicts nothing: in a layer that goes nothing else has a level, and of heads and KV groups one has.

const STEP = 0.01;
const FEW = 100; // units that are counted one by one; of more a step is a hundredth of them
const LAYERS = "layers";
const EXCLUSIVE = { heads: "kv_groups", kv_groups: "heads" };

function snap(level, most) {
  return Math.min(most, Math.max(0, Math.round(level / STEP) / Math.round(1 / STEP)));
}

// The nearest level that a group can have: a layer goes or stays, and few units go one by one.
function snapTo(table, group, level) {
  if (table.groups?.[group].kind === LAYERS) return level >= 0.5 ? 1 : 0;
  const total = table.mix?.counts[group] ?? 0;
  if (total === 0 || total >= FEW) return snap(level, table.maxLevel);
  const gone = Math.min(Math.floor(table.maxLevel * total), Math.max(0, Math.round(level * total)));
  return Math.round((gone / total) * 1e6) / 1e6;
}

// How far one step of a key goes.
function stepOf(table, group) {
  const total = table.mix?.counts[group] ?? 0;
  return total > 0 && total < FEW ? 1 / total : STEP;
}

// The mean level of these groups, by weights; of layers the share that goes.
function faderMean(table, kind, groups, levels) {
  const own = groups.map((group) => levels[group]);
  if (groups.length === 0) return 0;
  return meanLevel(kind === LAYERS ? groups.map(() => 1) : groups.map((group) => table.parameters[group]), own);
}

// Move the mean level of `scope` (group numbers) to `target`. The curve that was painted over depth keeps
// its shape: levels are multiplied, up to the highest one allowed. A curve of zeros rises evenly.
function moved(levels, scope, target, table, isLocked) {
  const weights = table.parameters;
  const free = scope.filter((group) => !isLocked(group));
  const next = levels.slice();
  if (free.length === 0) return next;
  const whole = sum(scope.map((group) => weights[group]));
  const held = sum(scope.filter(isLocked).map((group) => weights[group] * levels[group]));
  const wanted = Math.max(0, target * whole - held);
  const most = table.maxLevel;
  const first = levels[free[0]];
  if (free.every((group) => levels[group] === first)) {
    const even = wanted / sum(free.map((group) => weights[group]));
    free.forEach((group) => (next[group] = snapTo(table, group, even)));
    return next;
  }
  const at = (times) => sum(free.map((group) => weights[group] * Math.min(most, times * levels[group])));
  let low = 0;
  let high = most / Math.min(...free.map((group) => levels[group]).filter((level) => level > 0));
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (at(middle) < wanted) low = middle;
    else high = middle;
  }
  free.forEach((group) => (next[group] = snapTo(table, group, high * levels[group])));
  return next;
}

// Let `count` layers go: those that go already, and then those that hurt least one at a time; of too many those
// that hurt most come back. One layer stays.
function withLayersGone(levels, count, table, isLocked) {
  const row = [...table.rows[LAYERS].values()];
  const gone = row.filter((group) => levels[group] > 0);
  const price = (group) => table.logCosts[group].at(-1);
  const next = levels.slice();
  const more = Math.min(count, row.length - 1) - gone.length;
  const open = (more > 0 ? row.filter((group) => !(levels[group] > 0)) : gone).filter((group) => !isLocked(group));
  open.sort((one, other) => (more > 0 ? price(one) - price(other) : price(other) - price(one)));
  open.slice(0, Math.abs(more)).forEach((group) => (next[group] = more > 0 ? 1 : 0));
  return next;
}

// Set the cells from one painted point to the next, on a straight line between them, so that a fast stroke
// leaves no gap. `row` maps layer -> group number.
function painted(levels, row, from, to, table, isLocked) {
  const next = levels.slice();
  const [first, last] = from.layer <= to.layer ? [from, to] : [to, from];
  for (let layer = first.layer; layer <= last.layer; layer += 1) {
    const group = row.get(layer);
    if (group === undefined || isLocked(group)) continue;
    const share = last.layer === first.layer ? 1 : (layer - first.layer) / (last.layer - first.layer);
    const level = last.layer === first.layer ? to.level : first.level + share * (last.level - first.level);
    next[group] = snapTo(table, group, level);
  }
  return next;
}

function withLevel(levels, groups, level, table, isLocked) {
  const next = levels.slice();
  groups.filter((group) => !isLocked(group)).forEach((group) => (next[group] = snapTo(table, group, level)));
  return next;
}

// The levels after a change of `before`, with what the change rules out taken back: a layer that goes now has no
// other levels, one that was gone takes none, heads give way to KV groups that are set and the other way round.
function together(table, before, after, isLocked) {
  const { rows, groups } = table;
  const next = after.slice();
  const layers = rows[LAYERS];
  groups.forEach(({ layer, kind }, group) => {
    if (kind !== LAYERS && after[layers?.get(layer)] > 0) next[group] = 0;
  });
  for (const [kind, other] of Object.entries(EXCLUSIVE)) {
    for (const [layer, group] of rows[kind] ?? []) {
      const rival = rows[other]?.get(layer);
      if (!(next[group] > 0) || !(next[rival] > 0) || after[group] === before[group]) continue;
      next[isLocked(rival) ? group : rival] = 0;
    }
  }
  return next;
}

// The layers that go.
function goneLayers(table, levels) {
  const gone = new Set();
  for (const [layer, group] of table.rows[LAYERS] ?? []) if (levels[group] > 0) gone.add(layer);
  return gone;
}

// A preset is a fixed part and a part that goes with the overall level, for every group.
function presetLevels(levels, preset, level, most, isLocked) {
  return levels.map((old, group) =>
    isLocked(group)
      ? old
      : Math.round(Math.min(most, preset.fixed[group] + preset.times[group] * level) * 1e6) / 1e6,
  );
}

function sameLevels(one, other) {
  return one.length === other.length && one.every((level, group) => level === other[group]);
}
