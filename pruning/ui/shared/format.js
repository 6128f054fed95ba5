// Numbers for people, rounded as in pruning/ui/text/format.py.

// A half is rounded away from zero: the same steps as Python's `fixed`.
function fixed(value, digits) {
  const scale = 10 ** digits;
  const whole = Math.floor(Math.abs(value) * scale + 0.5 + 1e-9);
  const shown = (whole / scale).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 && whole > 0 ? "−" : ""}${shown}`;
}

function threeFigures(value) {
  return fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

function sizeText(bytes) {
  for (const [limit, unit] of [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (bytes >= limit) return `${threeFigures(bytes / limit)} ${unit}`;
  }
  return `${Math.round(bytes)} bytes`;
}

// What a level is called by: whole percent.
function wholePercent(share) {
  return Math.sign(share) * Math.floor(Math.abs(share) * 100 + 0.5 + 1e-9);
}

function percentText(share, digits = 0) {
  const used = digits === 0 && Math.abs(share) > 0 && Math.abs(share) < 0.0095 ? 1 : digits;
  return `${fixed(share * 100, used)} %`;
}

// A number from a million on: "1.2 million".
function largeText(value) {
  for (const [limit, unit] of [[1e9, "billion"], [1e6, "million"]]) {
    if (0.9995 * limit <= value && value < 999.5 * limit) return `${fixed(value / limit, value < 9.95 * limit ? 1 : 0)} ${unit}`;
  }
  const power = Math.floor(Math.log10(value) + 1e-9);
  return `${fixed(value / 10 ** power, 1)} × 10${[...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

function perplexityText(value) {
  if (value >= 999_500) return largeText(value);
  return fixed(value, value >= 1000 ? 0 : value >= 10 ? 1 : 2);
}

function moreText(share) {
  if (Math.abs(share) < 0.001) return "less than 0.1 % perplexity";
  return `about ${percentText(share, Math.abs(share) < 0.1 ? 1 : 0)} perplexity`;
}
