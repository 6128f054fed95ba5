// Numbers for people, rounded as in pruning/ui/text/format.py.

function threeFigures(value) {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function sizeText(bytes) {
  for (const [limit, unit] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (bytes >= limit) return `${threeFigures(bytes / limit)} ${unit}`;
  }
  return `${Math.round(bytes)} bytes`;
}

function percentText(share, digits = 0) {
  const used = digits === 0 && Math.abs(share) > 0 && Math.abs(share) < 0.0095 ? 1 : digits;
  return `${(share * 100).toFixed(used).replace("-", "−")} %`;
}

function perplexityText(value) {
  if (value >= 1e4) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    return `${mantissa}·10^${Number(exponent)}`;
  }
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function moreText(share) {
  if (Math.abs(share) < 0.001) return "less than 0.1 % perplexity";
  return `about ${percentText(share, Math.abs(share) < 0.1 ? 1 : 0)} perplexity`;
}

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
