// The mixing desk. The browser computes and draws in every frame while a hand moves; when it lets go the
// plan goes to Python, whose answer settles it.

const OPEN = new WeakMap();
// Two mounts talk through the window: each may be a module of its own.
const TABLES = (window.prunescopeTables ??= new Map());
const WAITING = (window.prunescopeWaiting ??= new Set());
const KEPT_TABLES = 4;
const KEY_PAUSE = 150; // milliseconds after the last key until the plan is sent

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  if (data.table) {
    receive(data.table);
    return undefined;
  }
  const desk = OPEN.get(parentElement) ?? new Desk(parentElement);
  OPEN.set(parentElement, desk);
  desk.send = (events) => setStateValue("events", events);
  desk.take(data);
  return () => desk.close();
}

function receive(table) {
  const rows = Object.fromEntries(table.order.map((kind) => [kind, new Map()]));
  table.groups.forEach(({ layer, kind }, group) => rows[kind].set(layer, group));
  TABLES.delete(table.id);
  TABLES.set(table.id, { ...table, rows });
  while (TABLES.size > KEPT_TABLES) TABLES.delete(TABLES.keys().next().value);
  for (const desk of WAITING) desk.begin();
}

class Desk {
  constructor(host) {
    this.root = document.createElement("div");
    this.root.dataset.desk = "";
    host.appendChild(this.root);
    this.levels = null;
    this.locks = new Set();
    this.cursor = {};
    this.number = 0;
    this.unanswered = [];
    this.drag = null;
    this.resized = new ResizeObserver(() => this.redraw());
    this.resized.observe(this.root);
  }

  close() {
    WAITING.delete(this);
    this.resized.disconnect();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.asked);
    this.asked = null;
    OPEN.delete(this.root.parentNode);
    this.root.remove();
  }

  // ---- Python's side ----------------------------------------------------------------------------------

  take(data) {
    this.data = data;
    if (TABLES.has(data.tableId)) this.begin();
    else WAITING.add(this);
  }

  begin() {
    const table = TABLES.get(this.data.tableId);
    if (!table) return;
    WAITING.delete(this);
    if (!this.table || this.table.order.join() !== table.order.join() || this.table.layers !== table.layers) {
      this.root.innerHTML = deskHtml(table);
      this.parts = partsOf(this.root);
      listen(this);
      this.levels = null;
    }
    this.table = table;
    this.look = lookOf(this.root);
    this.still = null;
    this.adopt();
    this.redraw();
  }

  // Python's plan is taken unless it answers an older release than the last, or a hand is on the desk.
  adopt() {
    const { levels, locks, answered } = this.data;
    const first = this.levels === null;
    if (first) this.number = Math.max(this.number, answered);
    this.unanswered = this.unanswered.filter(({ number }) => number > answered);
    if (this.drag || answered < this.number) return;
    if (first || !sameLevels(levels, this.levels)) {
      this.levels = levels.slice();
      this.sent = this.levels;
    }
    this.locks = new Set(locks);
    if (first) this.recall();
    else this.keep();
  }

  settle() {
    const { answered, settings, kl, levels } = this.data;
    if (answered !== this.number || !sameLevels(levels, this.levels)) return;
    this.root.dataset.settled = settings;
    const away = Math.abs(this.seen.kl - kl) / Math.max(1, kl);
    this.parts.differs.hidden = away <= 1e-6;
    if (away > 1e-6) setText(this.parts.differs, `The browser forecasts KL ${this.seen.kl}, Python ${kl}. Reload the page.`);
  }

  release() {
    clearTimeout(this.timer);
    this.timer = null;
    if (sameLevels(this.levels, this.sent) && !this.relocked) return;
    this.relocked = false;
    this.sent = this.levels;
    this.tell({ levels: this.levels, locks: [...this.locks] });
  }

  // Python may see only the last of what is sent in quick succession: all that it has not answered goes along.
  tell(event) {
    this.number += 1;
    this.unanswered.push({ number: this.number, ...event });
    delete this.root.dataset.settled;
    this.send(this.unanswered.slice());
    const seen = forecast(this.table, this.levels);
    setText(
      this.parts.spoken,
      `Forecast: perplexity ${perplexityText(seen.perplexity)}, same next word ${percentText(seen.agreement)}, ` +
        `right next word ${percentText(seen.accuracy)}; compact file ${sizeText(seen.bytes)}`,
    );
  }

  releaseSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.release(), KEY_PAUSE);
  }

  // ---- undo and redo ----------------------------------------------------------------------------------

  // The history is Python's, one for all pages. The browser keeps a copy, which outlives a reload.
  step(name) {
    this.release();
    this.tell({ step: name });
  }

  recall() {
    const { past, future, settings } = this.data;
    if (past.length + future.length > 0) return this.keep();
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.storageName()) ?? "{}");
      const moved = kept.settings !== undefined && kept.settings !== settings;
      const before = moved ? [...kept.past, kept.settings] : (kept.past ?? []);
      const after = moved ? [] : (kept.future ?? []);
      if (before.length + after.length > 0) this.tell({ past: before, future: after });
    } catch {
      // A browser that keeps nothing, or something else under this name: the history starts empty.
    }
    return undefined;
  }

  storageName() {
    return `prunescope-history-${this.table.fingerprint}`;
  }

  keep() {
    try {
      const { past, future, settings } = this.data;
      sessionStorage.setItem(this.storageName(), JSON.stringify({ past, future, settings }));
    } catch {
      // Full or forbidden: undo then works until the page is loaded anew.
    }
  }

  // ---- frames -----------------------------------------------------------------------------------------

  ask() {
    if (!sameLevels(this.levels, this.sent)) delete this.root.dataset.settled;
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
    });
  }

  redraw() {
    this.still = null;
    if (this.table && this.levels) this.ask();
  }

  draw() {
    const { table, levels, parts, look } = this;
    const seen = forecast(table, levels);
    this.seen = seen;
    const truth = table.measured.find((one) => sameLevels(one.levels, levels));
    const empty = seen.kl === 0;
    showTiles(parts.tiles, { table, seen, truth, empty });
    showVerdict(parts.verdict, { table, seen, truth });
    this.drawFaders(seen);
    const locked = (group) => this.isLocked(group);
    for (const kind of table.order) {
      const cursor = this.cursor[kind];
      drawLane(parts.lanes[kind], { table, kind, levels, locked, cursor, look });
      this.describeLane(kind);
    }
    drawLayers(parts.layers, { table, lockedLayers: this.lockedLayers(), look });
    drawDamage(parts.damage, { table, damage: seen.damage, look });
    if (!this.still) {
      this.still = document.createElement("canvas");
      this.still.style.cssText = "position:absolute;visibility:hidden;pointer-events:none";
      this.still.style.width = `${parts.tradeoff.clientWidth}px`;
      this.still.style.height = `${parts.tradeoff.clientHeight}px`;
      this.root.appendChild(this.still);
      this.chart = drawStill(this.still, table, look);
      this.still.remove();
    }
    drawHere(parts.tradeoff, this.still, { table, seen, truth, look, taken: this.chart.boxes });
    setText(parts.words, this.marked ?? (this.hovered === undefined ? this.advice() : cellWords(table, this.hovered, levels)));
    parts.buttons.undo.disabled = this.data.past.length === 0 && !this.unanswered.some(({ levels }) => levels);
    parts.buttons.redo.disabled = this.data.future.length === 0;
    this.root.dataset.kl = String(seen.kl);
    this.settle();
  }

  drawFaders(seen) {
    const { table, levels, parts } = this;
    for (const kind of table.order) {
      const groups = [...table.rows[kind].values()];
      const own = groups.map((group) => levels[group]);
      const weights = groups.map((group) => table.parameters[group]);
      const locked = this.locks.has(kind);
      showFader(parts.faders[kind], parts.readings[kind], own, meanLevel(weights, own), locked, table.maxLevel);
      const lock = parts.locks[kind];
      if (lock.getAttribute("aria-pressed") !== String(locked)) {
        lock.setAttribute("aria-pressed", String(locked));
        lock.innerHTML = icon(locked ? "locked" : "open");
      }
    }
    showFader(parts.faders.master, parts.readings.master, levels, seen.sparsity, false, table.maxLevel);
  }

  advice() {
    return "Point at a cell to read what it costs. Click a layer's number to lock that layer.";
  }

  describeLane(kind) {
    const lane = this.parts.lanes[kind];
    const layer = this.cursor[kind] ?? this.table.rows[kind].keys().next().value;
    const group = this.table.rows[kind].get(layer);
    const level = percentText(this.levels[group]);
    const text = `layer ${layer}: ${level}${this.isLocked(group) ? ", locked" : ""}`;
    if (lane.getAttribute("aria-valuetext") === text) return;
    lane.setAttribute("aria-valuetext", text);
    lane.setAttribute("aria-valuenow", String(wholePercent(this.levels[group])));
  }

  isLocked(group) {
    const { layer, kind } = this.table.groups[group];
    return this.locks.has(kind) || this.locks.has(String(layer));
  }

  lockedLayers() {
    return new Set([...this.locks].filter((lock) => /^\d+$/.test(lock)).map(Number));
  }

  // ---- changes -----------------------------------------------------------------------------------------

  move(name, target, start = this.levels) {
    const locked = (group) => this.isLocked(group);
    this.levels = moved(start, scope(this, name), target, this.table, locked);
    this.ask();
  }

  point(group) {
    if (this.hovered === group) return;
    this.hovered = group;
    this.ask();
  }

  set(groups, level, soon = false) {
    this.levels = withLevel(this.levels, groups, level, this.table.maxLevel, (group) => this.isLocked(group));
    this.ask();
    if (soon) this.releaseSoon();
    else this.release();
  }

  letGo() {
    if (!this.drag) return;
    this.drag = null;
    this.release();
  }

  toggleLock(name) {
    if (!this.locks.delete(name)) this.locks.add(name);
    this.relocked = true;
    this.ask();
    this.release();
  }
}
