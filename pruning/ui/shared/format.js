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
