// The budget slider, the figures and levels that follow it, and the chart. The browser shows what lies between
// two of Python's best plans while a hand moves; Python's own answer replaces it when the hand lets go.

const OPEN = new WeakMap();

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const board = OPEN.get(parentElement) ?? new Board(parentElement);
  OPEN.set(parentElement, board);
  board.send = (message) => setStateValue("sent", message);
  board.take(data);
  return () => {
    board.close();
    OPEN.delete(parentElement);
  };
}

// A plan's figures at a share, between the two best plans around it; quality on a logarithmic scale.
function between(front, share) {
  const last = front.length - 1;
  if (share <= front[0].share) return front[0];
  if (share >= front[last].share) return front[last];
  const right = front.findIndex((one) => one.share >= share);
  const [a, b] = [front[right - 1], front[right]];
  const t = (share - a.share) / (b.share - a.share || 1);
  const straight = (name) => a[name] + t * (b[name] - a[name]);
  const curved = (name) => (a[name] > 0 && b[name] > 0 ? a[name] ** (1 - t) * b[name] ** t : straight(name));
  const seen = { share, bytes: straight("bytes"), levels: a.levels.map((one, group) => one + t * (b.levels[group] - one)) };
  for (const name of ["kl", "klLow", "klHigh", "perplexity", "perplexityLow", "perplexityHigh"]) seen[name] = curved(name);
  return seen;
}

function klText(value) {
  if (value === 0) return "0";
  if (value < 0.001) return "below 0.001";
  return value < 0.1 ? String(Number(value.toPrecision(2))) : value < 10 ? String(Number(value.toPrecision(3))) : String(Math.round(value));
}

function colourAt(level, [low, high], scale) {
  const at = Math.min(Math.max((level - low) / (high - low), 0), 1) * (scale.length - 1);
  const left = Math.min(Math.floor(at), scale.length - 2);
  const part = (hex, place) => parseInt(hex.slice(place, place + 2), 16);
  const mixed = [1, 3, 5].map((place) =>
    Math.round(part(scale[left], place) * (left + 1 - at) + part(scale[left + 1], place) * (at - left)));
  return `rgb(${mixed.join(" ")})`;
}

class Board {
  constructor(host) {
    this.root = document.createElement("div");
    this.root.dataset.budget = "";
    this.root.innerHTML = boardHtml();
    host.appendChild(this.root);
    this.part = (name) => this.root.querySelector(`[data-part="${name}"]`);
    this.number = 0;
    this.axes = { x: "share", y: "perplexity" };
    this.slider = this.part("slider");
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value) / 100));
    this.slider.addEventListener("change", () => this.settleSoon());
    for (const axis of ["x", "y"]) {
      this.part(axis).addEventListener("change", (event) => {
        this.axes[axis] = event.target.value;
        this.redraw();
      });
    }
    const chart = this.part("chart");
    chart.addEventListener("pointermove", (event) => this.point(event));
    chart.addEventListener("pointerleave", () => this.point(null));
    chart.addEventListener("click", (event) => this.pick(event));
    this.part("cells").addEventListener("pointerover", (event) => this.read(event.target.dataset.group));
    this.part("cells").addEventListener("pointerleave", () => this.read(undefined));
    this.width = 0;
    this.resized = new ResizeObserver(() => {
      if (chart.clientWidth !== this.width) this.redraw();
    });
    this.resized.observe(chart);
  }

  close() {
    this.resized.disconnect();
    clearTimeout(this.timer);
    this.root.remove();
  }

  // Python's answer is taken unless it answers an older message than the last, or the slider has moved since.
  take({ board, here, share, answered }) {
    const fresh = this.board?.id !== board.id;
    this.board = board;
    if (fresh) this.build();
    const first = this.share === undefined;
    if (first) this.number = Math.max(this.number, answered);
    if (this.timer || answered < this.number) return fresh ? this.redraw() : undefined;
    this.here = here;
    this.share = share;
    this.slider.value = String(Math.round(1000 * share) / 10);
    this.redraw();
    this.root.dataset.settled = String(this.number);
    return undefined;
  }

  move(share) {
    delete this.root.dataset.settled;
    this.share = share;
    this.here = between(this.board.front, share);
    this.settleSoon();
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.follow();
    });
  }

  // Keys change a slider step after step: Python is asked when they rest.
  settleSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.tell({ share: this.share, point: null });
    }, 140);
  }

  tell(message) {
    this.number += 1;
    this.send({ number: this.number, ...message });
  }

  // ---- drawing ----------------------------------------------------------------------------------------

  build() {
    const { front, order, layers, groups, fixed, labels, dense, scale, scaleTitle } = this.board;
    const slider = this.slider;
    slider.min = String(Math.ceil(100 * front[0].share - 1e-6));
    slider.max = String(Math.floor(100 * front[front.length - 1].share + 1e-6));
    setText(this.part("file"), sizeText(dense.bytes));
    const cells = this.part("cells");
    const rows = Object.fromEntries(order.map((kind, row) => [kind, row]));
    cells.style.setProperty("--layers", String(layers));
    const names = order.map((kind, row) => `<span class="kind" style="grid-row:${row + 1}">${this.board.short[kind]}</span>`);
    const boxes = groups.map(([layer, kind], group) =>
      `<i data-group="${group}" class="${fixed[group] ? "fixed" : ""}" style="grid-row:${rows[kind] + 1};grid-column:${layer + 2}"></i>`);
    const step = layers <= 16 ? 1 : layers <= 40 ? 5 : 10;
    const numbers = Array.from({ length: Math.ceil(layers / step) }, (_, index) =>
      `<span class="layer" style="grid-row:${order.length + 1};grid-column:${index * step + 2} / span ${Math.min(step, layers - index * step)}">${index * step}</span>`);
    cells.innerHTML = [...names, ...boxes, ...numbers].join("");
    this.boxes = [...cells.querySelectorAll("i")];
    this.part("ramp").style.background = `linear-gradient(90deg, ${scale.join(", ")})`;
    setText(this.part("ramp-title"), scaleTitle);
    this.part("fixed-note").hidden = !fixed.some(Boolean);
    cells.setAttribute("aria-label", `Levels of ${order.map((kind) => labels[kind]).join(", ")} in ${layers} layers`);
  }

  redraw() {
    const chart = this.part("chart");
    this.width = chart.clientWidth;
    if (!this.board || this.width < 60) return;
    this.scales = drawChart(chart, this.board, this.axes);
    drawLegend(this.part("legend"), this.board);
    this.follow();
  }

  // What follows the slider in every frame.
  follow() {
    const { here, board } = this;
    this.root.classList.toggle("nothing", !here);
    setText(this.part("share"), here ? percentText(here.share, 1) : "–");
    setText(this.part("size"), here ? sizeText(here.bytes) : "–");
    setText(this.part("perplexity"), here ? perplexityText(here.perplexity) : "–");
    setText(this.part("perplexity-band"), here ? `${perplexityText(here.perplexityLow)} – ${perplexityText(here.perplexityHigh)}` : "");
    setText(this.part("worse"), here ? riseText(here.perplexity / board.dense.perplexity - 1) : "");
    setText(this.part("kl"), here ? klText(here.kl) : "–");
    setText(this.part("kl-band"), here ? `${klText(here.klLow)} – ${klText(here.klHigh)}` : "");
    const range = this.range();
    setText(this.part("low"), percentText(range[0]));
    setText(this.part("high"), percentText(range[1]));
    this.boxes.forEach((box, group) => {
      const level = here ? here.levels[group] : 0;
      const colour = colourAt(level, range, board.scale);
      if (box.dataset.colour !== colour) {
        box.dataset.colour = colour;
        box.style.background = colour;
      }
    });
    if (here) {
      this.slider.setAttribute(
        "aria-valuetext",
        `${percentText(here.share)} removed, compact file ${sizeText(here.bytes)}, forecast perplexity ${perplexityText(here.perplexity)}`,
      );
    }
    if (this.scales) drawHere(this.part("chart"), this.scales, here, this.axes);
  }

  // The colours go from the least level to the most, at least ten percentage points, so that all is seen.
  range() {
    const { here, board } = this;
    const free = here ? here.levels.filter((_, group) => !board.fixed[group]) : [];
    if (free.length === 0) return [0, board.most];
    const [low, high] = [Math.min(...free), Math.max(...free)];
    const middle = Math.min(Math.max((low + high) / 2, 0.05), board.most - 0.05);
    return [Math.min(low, middle - 0.05), Math.max(high, middle + 0.05)];
  }

  read(group) {
    const words = this.part("cell");
    if (group === undefined || !this.here) {
      setText(words, "Point at a cell to read its level.");
      return;
    }
    const [layer, kind] = this.board.groups[Number(group)];
    const level = percentText(this.here.levels[Number(group)]);
    setText(words, `Layer ${layer}, ${this.board.labels[kind]}: ${level} removed${this.board.fixed[Number(group)] ? ", held" : ""}`);
  }

  // ---- points of the chart ------------------------------------------------------------------------------

  nearest(event) {
    if (!event || !this.scales) return null;
    const box = this.part("chart").getBoundingClientRect();
    return nearestPoint(this.scales, this.board, this.axes, event.clientX - box.x, event.clientY - box.y);
  }

  point(event) {
    const found = this.nearest(event);
    this.part("chart").style.cursor = found ? "pointer" : "default";
    setText(this.part("said"), found ? this.sentence(found) : "Point at a curve or a mark to read it, click to choose it.");
  }

  sentence(one) {
    const source = one.measured ? "measured" : "forecast";
    const band = one.measured ? "" : ` (${perplexityText(one.perplexityLow)} – ${perplexityText(one.perplexityHigh)})`;
    return `${one.name ?? `Best plan, ${percentText(one.share)}`}: ${source} perplexity ${perplexityText(one.perplexity)}${band}, ` +
      `KL ${klText(one.kl)}, compact file ${sizeText(one.bytes)}`;
  }

  pick(event) {
    const found = this.nearest(event);
    if (!found) return;
    if (found.id !== undefined) {
      this.tell({ share: null, point: found.id });
      return;
    }
    this.slider.value = String(Math.round(1000 * found.share) / 10);
    this.move(Number(this.slider.value) / 100);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function riseText(share) {
  if (share <= 0) return "as unpruned";
  return share < 0.001 ? "less than 0.1 % worse" : share > 20 ? `${Math.round(share + 1).toLocaleString("en-US")} times worse` : `${percentText(share, share < 0.1 ? 1 : 0)} worse`;
}

function boardHtml() {
  const tile = (label, inner) => `<div class="tile"><div class="label">${label}</div>${inner}</div>`;
  const band = (name) => `<div class="source"><span class="badge">forecast</span> <span data-part="${name}"></span></div>`;
  const options = (pairs) => pairs.map(([value, text]) => `<option value="${value}">${text}</option>`).join("");
  return `
    <div class="budget">
      <div class="ends"><label for="budget-slider">How much may go?</label></div>
      <input id="budget-slider" data-part="slider" type="range" min="0" max="95" step="1">
      <div class="ends quiet"><span>keep quality</span><span>remove more</span></div>
    </div>
    <div class="tiles">
      ${tile("Removed", `<div class="value" data-part="share"></div><div class="source quiet">of the prunable weights</div>`)}
      ${tile("Model folder", `<div class="value" data-part="file"></div><div class="source quiet">compact file <span data-part="size"></span></div>`)}
      ${tile(`Perplexity · <span data-part="worse"></span>`, `<div class="value" data-part="perplexity"></div>${band("perplexity-band")}`)}
      ${tile("Drift: KL, nats per token", `<div class="value" data-part="kl"></div>${band("kl-band")}`)}
    </div>
    <div class="title">Where it goes <span class="quiet">layers from left to right, darker = more removed</span></div>
    <div class="cells" data-part="cells" role="img"></div>
    <div class="scale quiet"><b data-part="ramp-title"></b><span data-part="low"></span><i data-part="ramp"></i><span data-part="high"></span><span data-part="fixed-note" hidden><i class="frame"></i> held</span>
      <span class="told" data-part="cell">Point at a cell to read its level.</span></div>
    <div class="title">What it costs <span class="quiet">the lower, the better</span>
      <span class="axes"><select data-part="y" aria-label="Upright axis">${options([["perplexity", "Perplexity"], ["kl", "KL"]])}</select>
      <select data-part="x" aria-label="Level axis">${options([["share", "by share removed"], ["bytes", "by compact size"]])}</select></span></div>
    <svg class="chart" data-part="chart" role="img" aria-label="Forecast damage of the best plans and of other ways, with what was measured"></svg>
    <div class="legend" data-part="legend"></div>
    <p class="quiet">Lines are forecasts. Greedy steps often come near the best plan, and like the other ways know nothing of what
      you hold.</p>
    <div class="cell" data-part="said">Point at a curve or a mark to read it, click to choose it.</div>`;
}
