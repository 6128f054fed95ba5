// "Layer 12, MLP down: 40 % costs about 0.8 % perplexity; the measured point says 0.9 %."
function cellWords(table, group, levels) {
  const { layer, kind } = table.groups[group];
  const now = levels[group];
  const level = now > 0 ? now : askedOf(table, group);
  const alone = table.groups.map((_, other) => (other === group ? level : 0));
  const seen = forecast(table, alone);
  const rise = (perplexity) => perplexity / table.dense.perplexity - 1;
  const high = percentText(rise(seen.perplexityHigh), 1);
  const what = kind === LAYERS ? `Layer ${layer}, the whole of it: ` : `Layer ${layer}, ${table.kinds[kind].label}: `;
  const much = amountText(table, group, level);
  const costs = now > 0 ? `${much} costs ` : `nothing removed; ${much} would cost `;
  const points = table.points[group] ?? [];
  const exact = points.find(([at]) => Math.abs(at - level) < 0.005);
  const near = exact ?? points.reduce(
    (best, point) => (!best || Math.abs(point[0] - level) < Math.abs(best[0] - level) ? point : best),
    null,
  );
  const measured = !near
    ? ""
    : exact
      ? `; the measured point says ${percentText(near[1], 1)}`
      : `; measured at ${percentText(near[0])}: ${percentText(near[1], 1)}`;
  return `${what}${costs}${moreText(rise(seen.perplexity))}, at most ${high}${measured}.`;
}

// What a level is asked about where nothing is removed yet: the layer, one of few units, half of the rest.
function askedOf(table, group) {
  if (table.groups[group].kind === LAYERS) return 1;
  return stepOf(table, group) > STEP ? snapTo(table, group, stepOf(table, group)) : 0.5;
}

// "2 of 9 heads", "40 %", "dropping it".
function amountText(table, group, level) {
  const { kind } = table.groups[group];
  if (kind === LAYERS) return "dropping it";
  const total = table.mix.counts[group];
  if (total === 0 || total >= FEW) return percentText(level);
  return `${wholeUnits(total, level)} of ${total}`;
}

function adviceWords(table) {
  if (!table.units.includes(LAYERS)) return "Point at a cell to read what it costs.";
  return "Point at a cell to read what it costs. Click a layer's number: the whole layer goes.";
}
