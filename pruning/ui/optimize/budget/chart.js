// The chart of damage against what goes: the best plans as a curve with its band, rivals, marks. Drawn as SVG
// once; only the mark of the present plan moves with the slider.

const MARGIN = { left: 46, right: 14, top: 10, bottom: 40 };
const HEIGHT = 330;
// Rivals by colour of the theme's list and by dash, so that they differ without colour too.
const RIVALS = {
  uniform: { colour: 1, dash: "7 4" },
  owl: { colour: 3, dash: "2 3" },
  greedy: { colour: 5, dash: "9 3 2 3" },
  guide: { colour: 8, dash: "4 2" },
  protect_ends: { colour: 9, dash: "12 4" },
  unstructured: { colour: 1, dash: "7 4" },
  neurons: { colour: 3, dash: "2 3" },
  heads: { colour: 5, dash: "9 3 2 3" },
  kv_groups: { colour: 8, dash: "4 2" },
  layers: { colour: 9, dash: "12 4" },
};
const OURS = 0, MEASURED = 2, NOW = 4;
const TOP_KL = 2.5; // above this a model only babbles, and one scale cannot show both

function palette(element) {
  const listed = getComputedStyle(element).getPropertyValue("--st-chart-categorical-colors");
  const found = listed.match(/#[0-9a-fA-F]{3,8}|rgba?\([^)]*\)/g);
  return found && found.length >= 10 ? found : ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#000", "#882255", "#44AA99"];
}

function scaleOf(low, high, from, to, log) {
  const read = log ? Math.log : (value) => value;
  const slope = (to - from) / (read(high) - read(low) || 1);
  return { low, high, at: (value) => from + slope * (read(log ? Math.max(value, low / 10) : value) - read(low)) };
}

// The axes end where quality does, a little after the best plans leave the chart.
function scalesOf(svg, board, axes) {
  const width = svg.clientWidth;
  const { front, rivals, marks, dense } = board;
  const all = [...front, ...rivals.flatMap((one) => one.points), ...marks];
  const worst = front.findIndex((one) => one.kl > TOP_KL);
  const last = front[worst < 0 ? front.length - 1 : Math.min(worst + 1, front.length - 1)];
  const x = axes.x === "share" ? [0, last.share] : [last.bytes, dense.bytes];
  const least = Math.min(...all.map((one) => one.kl).filter((value) => value > 0));
  const y = axes.y === "kl"
    ? [Math.max(least, 0.003) * 0.8, TOP_KL * 1.2]
    : [dense.perplexity * 0.9, dense.perplexity * Math.exp(TOP_KL)];
  return {
    width,
    x: scaleOf(x[0], x[1], MARGIN.left, width - MARGIN.right, false),
    y: scaleOf(y[0], y[1], HEIGHT - MARGIN.bottom, MARGIN.top, true),
  };
}

function drawChart(svg, board, axes) {
  const scales = scalesOf(svg, board, axes);
  const colours = palette(svg);
  const spot = (one) => [scales.x.at(one[axes.x]), scales.y.at(one[axes.y])];
  const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const pruned = board.front.filter((one) => one.kl > 0);
  const band = [
    ...pruned.map((one) => [scales.x.at(one[axes.x]), scales.y.at(one[`${axes.y}High`])]),
    ...pruned.map((one) => [scales.x.at(one[axes.x]), scales.y.at(one[`${axes.y}Low`])]).reverse(),
  ];
  const lines = board.rivals.map(({ key, points }) => {
    const { colour, dash } = RIVALS[key];
    return `<path d="${path(points.map(spot))}" stroke="${colours[colour]}" stroke-dasharray="${dash}" class="line rival"/>`;
  });
  svg.setAttribute("height", HEIGHT);
  svg.setAttribute("viewBox", `0 0 ${scales.width} ${HEIGHT}`);
  svg.innerHTML = `
    <clipPath id="budget-clip"><rect x="${MARGIN.left}" y="${MARGIN.top - 6}" width="${scales.width - MARGIN.left - MARGIN.right + 10}" height="${HEIGHT - MARGIN.top - MARGIN.bottom + 6}"/></clipPath>
    ${grid(scales, axes)}
    <g clip-path="url(#budget-clip)">
      <path d="${path(band)}Z" fill="${colours[OURS]}" class="band"/>
      ${lines.join("")}
      <path d="${path(pruned.map(spot))}" stroke="${colours[OURS]}" class="line ours"/>
      ${board.marks.map((one) => mark(one.what, spot(one), one.measured, colours)).join("")}
      <g data-here></g>
    </g>`;
  return scales;
}

function mark(what, [x, y], measured, colours) {
  const fill = measured ? colours[MEASURED] : "none";
  const stroke = measured ? "var(--st-background-color)" : "var(--st-text-color)";
  if (what === "pin") return `<rect class="mark" x="${x - 5}" y="${y - 5}" width="10" height="10" fill="${fill}" stroke="var(--st-text-color)"/>`;
  if (what === "plan") return `<path class="mark" d="M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z" fill="${fill}" stroke="var(--st-text-color)"/>`;
  return `<circle class="mark" cx="${x}" cy="${y}" r="5.5" fill="${fill}" stroke="${stroke}"/>`;
}

// The plan that the slider stands at.
function drawHere(svg, scales, here, axes) {
  const group = svg.querySelector("[data-here]");
  if (!here) {
    group.innerHTML = "";
    return;
  }
  const x = Math.max(MARGIN.left, Math.min(scales.x.at(here[axes.x]), scales.width - MARGIN.right));
  const y = Math.max(scales.y.at(here[axes.y]), MARGIN.top);
  const colour = palette(svg)[NOW];
  group.innerHTML = `<line class="drop" x1="${x}" x2="${x}" y1="${y}" y2="${HEIGHT - MARGIN.bottom}" stroke="${colour}"/>
    <circle cx="${x}" cy="${y}" r="7" fill="${colour}" stroke="var(--st-background-color)" stroke-width="2"/>`;
}

function grid(scales, axes) {
  const floor = HEIGHT - MARGIN.bottom;
  const rows = logTicks(scales.y).map((value) => {
    const y = scales.y.at(value);
    return `<line class="grid" x1="${MARGIN.left}" x2="${scales.width - MARGIN.right}" y1="${y}" y2="${y}"/>
      <text x="${MARGIN.left - 6}" y="${y + 4}" text-anchor="end">${value >= 1000 ? value.toLocaleString("en-US") : value}</text>`;
  });
  const columns = straightTicks(scales.x).map((value) => {
    const x = scales.x.at(value);
    const text = axes.x === "share" ? Math.round(100 * value) : Math.round(value / 1e6).toLocaleString("en-US");
    return `<line class="grid" x1="${x}" x2="${x}" y1="${MARGIN.top}" y2="${floor}"/><text x="${x}" y="${floor + 16}" text-anchor="middle">${text}</text>`;
  });
  const title = axes.x === "share" ? "Share of the prunable weights removed (%)" : "Size as a compact file (MB)";
  const upright = axes.y === "kl" ? "KL (nats per token)" : "Perplexity";
  return `${rows.join("")}${columns.join("")}
    <text x="${(MARGIN.left + scales.width - MARGIN.right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${title}</text>
    <text transform="translate(11 ${(MARGIN.top + floor) / 2}) rotate(-90)" text-anchor="middle">${upright}, logarithmic</text>`;
}

function logTicks({ low, high }) {
  const steps = high / low > 300 ? [1] : high / low > 40 ? [1, 3] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) {
      const value = Number((step * 10 ** power).toPrecision(1));
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

function straightTicks({ low, high }) {
  const rough = (high - low) / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high * (1 + 1e-9); value += step) found.push(value);
  return found;
}

function drawLegend(element, board) {
  const colours = palette(element);
  const stroke = (colour, dash, width) => `<svg aria-hidden="true" width="26" height="10"><line x1="0" x2="26" y1="5" y2="5" stroke="${colour}" stroke-width="${width}" stroke-dasharray="${dash}"/></svg>`;
  const shapes = { measured: "measured", pin: "pinned", plan: "your plan" };
  const entries = [
    `${stroke(colours[OURS], "", 3)}Best plans, with their band`,
    ...board.rivals.map(({ key, name }) => `${stroke(colours[RIVALS[key].colour], RIVALS[key].dash, 2)}${name}`),
    ...Object.keys(shapes).filter((what) => board.marks.some((one) => one.what === what))
      .map((what) => `<svg aria-hidden="true" width="16" height="16" viewBox="-8 -8 16 16">${mark(what, [0, 0], what === "measured", colours)}</svg>${shapes[what]}`),
  ];
  element.innerHTML = entries.map((one) => `<span>${one}</span>`).join("");
}

// The mark, rival's point or best plan nearest to a place in the chart, marks first; null where none is near.
function nearestPoint(scales, board, axes, x, y) {
  const near = (points, reach) => {
    let best = null;
    let least = reach;
    for (const one of points) {
      const away = Math.hypot(scales.x.at(one[axes.x]) - x, scales.y.at(one[axes.y]) - y);
      if (away < least) [best, least] = [one, away];
    }
    return best;
  };
  return near(board.marks, 12) ?? near(board.rivals.flatMap((one) => one.points), 10) ?? near(board.front, 14);
}
