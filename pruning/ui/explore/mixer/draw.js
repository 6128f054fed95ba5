// The desk's pictures, on canvases: lanes of levels, damage by layer, quality against size. Each function
// draws everything anew from its arguments; nothing here knows of events or of Python.

const AXIS = { left: 34, bottom: 33, top: 10, right: 10 };

// A 2D context as large as its element, in CSS pixels and sharp on every screen.
function surface(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function lookOf(element) {
  const style = getComputedStyle(element);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--st-text-color", "#222"),
    ground: read("--st-background-color", "#fff"),
    panel: read("--st-secondary-background-color", "#f4f6f8"),
    line: read("--st-border-color", "#ddd"),
    accent: read("--desk-here", "#d55e00"),
    measured: read("--desk-measured", "#009e73"),
    font: read("--st-font", "sans-serif"),
  };
}

// One lane: a bar a layer, as high as its level. A layer that is gone is an empty place; where attention is cut
// by the other of heads and KV groups, that stands there faintly.
function drawLane(canvas, { table, kind, levels, locked, gone, cursor, look, scale }) {
  const { pen, width, height } = surface(canvas);
  const cell = (width - AXIS.left) / table.layers;
  const gap = cell > 5 ? 1 : 0.5;
  const rivals = table.rows[EXCLUSIVE[kind]];
  pen.font = `11px ${look.font}`;
  for (let layer = 0; layer < table.layers; layer += 1) {
    const group = table.rows[kind].get(layer);
    if (group === undefined) continue;
    const x = AXIS.left + layer * cell;
    pen.fillStyle = gone.has(layer) ? look.line : look.panel;
    pen.fillRect(x + gap, 0, cell - 2 * gap, height);
    const bar = (level, colour, alpha) => {
      if (!(level > 0)) return;
      const tall = Math.min(1, level / table.maxLevel) * height;
      pen.globalAlpha = alpha;
      pen.fillStyle = colour;
      pen.fillRect(x + gap, height - tall, cell - 2 * gap, tall);
      pen.globalAlpha = 1;
    };
    bar(levels[group], table.kinds[kind].colour, locked(group) ? 0.45 : 1);
    const rival = rivals?.get(layer);
    if (levels[rival] > 0) bar(levels[rival], table.kinds[EXCLUSIVE[kind]].colour, 0.35);
    if (locked(group)) hatch(pen, x + gap, cell - 2 * gap, height, look.text);
    if (layer === cursor) {
      pen.strokeStyle = look.accent;
      pen.lineWidth = 2;
      pen.strokeRect(x + 1, 1, cell - 2, height - 2);
    }
  }
  pen.strokeStyle = look.line;
  pen.beginPath();
  pen.moveTo(AXIS.left, height - (0.5 / table.maxLevel) * height);
  pen.lineTo(width, height - (0.5 / table.maxLevel) * height);
  pen.lineWidth = 1;
  pen.setLineDash([2, 3]);
  pen.stroke();
  pen.setLineDash([]);
  if (!scale) return;
  pen.fillStyle = look.text;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillText("50 %", AXIS.left - 4, height - (0.5 / table.maxLevel) * height);
}

function hatch(pen, x, width, height, colour) {
  pen.save();
  pen.beginPath();
  pen.rect(x, 0, width, height);
  pen.clip();
  pen.strokeStyle = colour;
  pen.globalAlpha = 0.35;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let start = -height; start < width; start += 6) {
    pen.moveTo(x + start, height);
    pen.lineTo(x + start + height, 0);
  }
  pen.stroke();
  pen.restore();
}

// The layers' numbers under the lanes; a layer that is gone is crossed out.
function drawLayers(canvas, { table, gone, look }) {
  const { pen, width, height } = surface(canvas);
  const cell = (width - AXIS.left) / table.layers;
  const every = [1, 2, 5, 10, 20].find((step) => step * cell >= 20) ?? 50;
  // A number is wider than its layer: beside a crossed-out one it would read as one word with it.
  const crowded = (layer) => cell < 18 && (gone.has(layer - 1) || gone.has(layer + 1));
  pen.font = `11px ${look.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let layer = 0; layer < table.layers; layer += 1) {
    const x = AXIS.left + (layer + 0.5) * cell;
    pen.fillStyle = look.text;
    if (gone.has(layer)) {
      pen.globalAlpha = 0.75;
      pen.fillRect(x - cell / 2 + 0.5, 1, cell - 1, height - 2);
      pen.globalAlpha = 1;
      pen.fillStyle = look.ground;
      if (cell >= 8) pen.fillText("✕", x, height / 2 + 0.5);
    } else if (layer % every === 0 && !crowded(layer)) pen.fillText(String(layer), x, height / 2);
  }
}

// A padlock for each layer, closed where it is locked.
function drawLocks(canvas, { table, lockedLayers, look }) {
  const { pen, width, height } = surface(canvas);
  const cell = (width - AXIS.left) / table.layers;
  const size = Math.max(2, Math.min(8, cell - 3));
  pen.lineWidth = 1.2;
  for (let layer = 0; layer < table.layers; layer += 1) {
    const [x, y] = [AXIS.left + (layer + 0.5) * cell, height / 2];
    const locked = lockedLayers.has(layer);
    pen.fillStyle = pen.strokeStyle = locked ? look.accent : look.text;
    pen.globalAlpha = locked ? 1 : 0.3;
    pen.fillRect(x - size / 2, y - 1, size, size * 0.75);
    if (size >= 5) {
      pen.beginPath();
      pen.arc(x + (locked ? 0 : size * 0.35), y - 1, size * 0.3, Math.PI, 2 * Math.PI);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }
}

// Forecast damage of each layer, stacked by kind, on the lanes' x axis.
function drawDamage(canvas, { table, damage, look }) {
  const { pen, width, height } = surface(canvas);
  const cell = (width - AXIS.left) / table.layers;
  const foot = height - 2;
  const totals = new Array(table.layers).fill(0);
  table.groups.forEach(({ layer }, group) => (totals[layer] += damage[group]));
  const top = roundedUp(Math.max(...totals, 1e-4));
  pen.font = `11px ${look.font}`;
  const base = new Array(table.layers).fill(foot);
  for (const kind of [...(table.unitOrder ?? []), ...table.order]) {
    pen.fillStyle = table.kinds[kind].colour;
    for (const [layer, group] of table.rows[kind]) {
      if (!(damage[group] > 0)) continue;
      const tall = (damage[group] / top) * (foot - 8);
      base[layer] -= tall;
      pen.fillRect(AXIS.left + layer * cell + 0.5, base[layer], cell - 1, tall);
    }
  }
  pen.strokeStyle = look.line;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(AXIS.left, foot + 0.5);
  pen.lineTo(width, foot + 0.5);
  pen.moveTo(AXIS.left, 8);
  pen.lineTo(width, 8);
  pen.stroke();
  pen.fillStyle = look.text;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.fillText(plainNumber(top), AXIS.left - 4, 8, AXIS.left - 4); // no wider than there is room
  pen.fillText("0", AXIS.left - 4, foot - 3);
}

// 1, 2 or 5 times a power of ten: a scale that stays while a plan changes a little.
function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.9999);
}

function plainNumber(value) {
  return String(Number(value.toPrecision(1)));
}

// ---- quality against size ---------------------------------------------------------------------------

// What stays while the hand moves: axes, the presets' curves, what was measured or pinned.
function tradeoffFrame(table, width, height) {
  const dense = table.dense;
  const least = sparseBytes(table, table.groups.map(() => table.maxLevel));
  const pad = 0.04 * (dense.bytes - least);
  const low = Math.log(dense.perplexity * 0.85);
  const high = Math.log(dense.perplexity * 12);
  const left = least - pad;
  const right = dense.bytes + pad;
  return {
    x: (bytes) => AXIS.left + ((bytes - left) / (right - left)) * (width - AXIS.left - AXIS.right),
    y: (value) => {
      const share = (Math.log(value) - low) / (high - low);
      return height - AXIS.bottom - Math.min(1, Math.max(0, share)) * (height - AXIS.bottom - AXIS.top);
    },
    off: (value) => Math.log(value) > high,
    left,
    right,
    top: dense.perplexity * 12,
    bottom: dense.perplexity * 0.85,
  };
}

// Returns the marks with their places, and the boxes that labels and marks take.
function drawStill(canvas, table, look) {
  const { pen, width, height } = surface(canvas);
  const frame = tradeoffFrame(table, width, height);
  pen.font = `11px ${look.font}`;
  pen.lineWidth = 1;
  drawTicks(pen, frame, width, height, look);
  const drawn = table.presets.filter((preset) => preset.drawn);
  drawn.forEach((preset, index) => drawPreset(pen, frame, table, preset, index, look));
  const marks = marksOf(table, frame, look);
  return { marks, boxes: drawMarks(pen, marks, plotArea(width, height), look) };
}

function plotArea(width, height) {
  const { left, right, top, bottom } = AXIS;
  return { left, top: top - 8, width: width - left - right, height: height - top - bottom + 8 };
}

function drawTicks(pen, frame, width, height, look) {
  pen.fillStyle = look.text;
  pen.strokeStyle = look.line;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const steps = [1, 2, 3, 5].flatMap((m) => [-1, 0, 1, 2, 3, 4, 5].map((e) => m * 10 ** e)).sort((a, b) => a - b);
  for (const value of steps.filter((step) => step > frame.bottom && step < frame.top)) {
    pen.beginPath();
    pen.moveTo(AXIS.left, frame.y(value));
    pen.lineTo(width - AXIS.right, frame.y(value));
    pen.stroke();
    pen.fillText(String(value), AXIS.left - 4, frame.y(value));
  }
  pen.textAlign = "center";
  const unit = frame.right >= 1e9 ? 1e9 : 1e6;
  const step = roundedUp((frame.right - frame.left) / 5);
  for (let at = Math.ceil(frame.left / step) * step; at < frame.right; at += step) {
    pen.fillText(String(Number((at / unit).toPrecision(3))), frame.x(at), height - AXIS.bottom + 9);
  }
  pen.fillText(`Compact file (${unit === 1e9 ? "GB" : "MB"})`, (width + AXIS.left) / 2, height - 7);
}

function drawPreset(pen, frame, table, preset, index, look) {
  const none = () => false;
  const zeros = table.groups.map(() => 0);
  const seen = Array.from({ length: 20 }, (_, i) =>
    forecast(table, presetLevels(zeros, preset, i / 20, table.maxLevel, none)),
  );
  pen.strokeStyle = look.text;
  pen.globalAlpha = 0.6;
  pen.lineWidth = 1.5;
  pen.setLineDash([[], [5, 3], [1.5, 3]][index % 3]);
  pen.beginPath();
  const shown = seen.filter((one) => !frame.off(one.perplexity));
  shown.forEach((one, i) => {
    const place = [frame.x(one.bytes), frame.y(one.perplexity)];
    if (i === 0) pen.moveTo(...place);
    else pen.lineTo(...place);
  });
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function drawMark(pen, x, y, colour, rim, shape) {
  pen.beginPath();
  if (shape === "round") pen.arc(x, y, 4.5, 0, 2 * Math.PI);
  else pen.rect(x - 4, y - 4, 8, 8);
  pen.fillStyle = colour;
  pen.fill();
  pen.strokeStyle = rim;
  pen.lineWidth = 1.5;
  pen.stroke();
}

// The plan at hand: a diamond with its band.
function drawHere(canvas, still, { table, seen, truth, look, taken }) {
  const { pen, width, height } = surface(canvas);
  pen.drawImage(still, 0, 0, width, height);
  const frame = tradeoffFrame(table, width, height);
  const [x, y] = [frame.x(seen.bytes), frame.y(seen.perplexity)];
  pen.strokeStyle = look.accent;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x, frame.y(seen.perplexityLow));
  pen.lineTo(x, frame.y(seen.perplexityHigh));
  pen.stroke();
  // Hollow, as all that is forecast.
  pen.fillStyle = look.ground;
  pen.beginPath();
  pen.moveTo(x, y - 8);
  pen.lineTo(x + 7, y);
  pen.lineTo(x, y + 8);
  pen.lineTo(x - 7, y);
  pen.closePath();
  pen.fill();
  pen.stroke();
  if (truth) drawMark(pen, x, frame.y(truth.perplexity), look.measured, look.ground, "round");
  pen.font = `600 11px ${look.font}`;
  pen.textBaseline = "middle";
  const words = frame.off(seen.perplexity) ? "this plan: off the chart" : "this plan";
  const point = { x, y, width: pen.measureText(words).width, height: LABEL_HEIGHT, down: 11, side: 10 };
  point.up = Math.max(10, y - frame.y(seen.perplexityHigh) + 3);
  const [box] = placeLabels([point], plotArea(width, height), taken, ["above", "below", "right", "left"]);
  if (!box) return; // the legend says what the diamond is
  const [middle, line] = [box.left + box.width / 2, box.top + box.height / 2];
  pen.textAlign = "center";
  pen.fillStyle = look.accent;
  rimmedText(pen, words, middle, line, look);
}
