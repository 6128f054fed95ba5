// What a hand does to the levels. Plain functions from old levels to new ones; locked groups stay.

const STEP = 0.01;

function snap(level, most) {
  return Math.min(most, Math.max(0, Math.round(level / STEP) / Math.round(1 / STEP)));
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
  if (free.every((group) => levels[group] === 0)) {
    const even = snap(wanted / sum(free.map((group) => weights[group])), most);
    free.forEach((group) => (next[group] = even));
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
  free.forEach((group) => (next[group] = snap(high * levels[group], most)));
  return next;
}

// Set the cells from one painted point to the next, on a straight line between them, so that a fast stroke
// leaves no gap. `row` maps layer -> group number.
function painted(levels, row, from, to, most, isLocked) {
  const next = levels.slice();
  const [first, last] = from.layer <= to.layer ? [from, to] : [to, from];
  for (let layer = first.layer; layer <= last.layer; layer += 1) {
    const group = row.get(layer);
    if (group === undefined || isLocked(group)) continue;
    const share = last.layer === first.layer ? 1 : (layer - first.layer) / (last.layer - first.layer);
    const level = last.layer === first.layer ? to.level : first.level + share * (last.level - first.level);
    next[group] = snap(level, most);
  }
  return next;
}

function withLevel(levels, groups, level, most, isLocked) {
  const next = levels.slice();
  groups.filter((group) => !isLocked(group)).forEach((group) => (next[group] = snap(level, most)));
  return next;
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
