// "Layer 12, MLP down: 40 % costs about 0.8 % perplexity; the measured point says 0.9 %."
function cellWords(table, group, levels) {
  const { layer, kind } = table.groups[group];
  const now = levels[group];
  const level = now > 0 ? now : 0.5;
  const alone = table.groups.map((_, other) => (other === group ? level : 0));
  const seen = forecast(table, alone);
  const rise = (perplexity) => perplexity / table.dense.perplexity - 1;
  const high = percentText(rise(seen.perplexityHigh), 1);
  const what = `Layer ${layer}, ${table.kinds[kind].label}: `;
  const costs = now > 0 ? `${percentText(level)} costs ` : `nothing removed; ${percentText(level)} would cost `;
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
