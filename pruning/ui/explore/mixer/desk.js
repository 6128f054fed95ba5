// The mixing desk. The browser computes and draws in every frame while a hand moves; when it lets go the
// plan goes to Python, whose answer settles it.

const OPEN = new WeakMap();
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
    const shape = ({ units, order, layers }) => [...units, ...order, layers].join();
    if (!this.table || shape(this.table) !== shape(table)) {
      this.root.innerHTML = deskHtml(table);
      this.parts = partsOf(this.root);
      listen(this);
      this.levels = null;
    }
    const look = lookOf(this.root);
    if (table.id !== this.table?.id || JSON.stringify(look) !== JSON.stringify(this.look)) this.still = null;
    this.table = table;
    this.look = look;
    this.adopt();
    this.ask();
  }

  // Python's plan is taken unless it answers an older release than the last, a hand is on the desk, or keys
  // have moved levels that are not sent yet.
  adopt() {
    const { levels, locks, answered } = this.data;
    const first = this.levels === null;
    if (first) this.number = Math.max(this.number, answered);
    this.unanswered = this.unanswered.filter(({ number }) => number > answered);
    if (!first && (this.drag || this.timer || answered < this.number)) return;
    if (first || !sameLevels(levels, this.levels)) {
      this.levels = levels.slice();
      this.sent = this.levels;
    }
    if (first) this.choice = chosenBank(this.table, levels);
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
    if (sameLevels(this.levels, this.sent) && !this.relocked) {
      // Nothing to say; what Python answered while the hand was on the desk counts now.
      this.adopt();
      this.ask();
      return;
    }
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
    setText(this.parts.spoken, spokenWords(this.table, this.levels));
  }

  releaseSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.release(), KEY_PAUSE);
  }

  // ---- undo and redo ----------------------------------------------------------------------------------

  step(name) {
    this.release();
    this.tell({ step: name });
  }

  recall() {
    const { past, future } = this.data;
    if (past.length + future.length > 0) return this.keep();
    const kept = keptHistory(this.table, this.data);
    if (kept) this.tell(kept);
    return undefined;
  }

  keep() {
    keepHistory(this.table, this.data);
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
    const cost = table.cost && costs(table, levels);
    const full = whyFullSize(table, cost, levels);
    this.seen = seen;
    if (!this.still) this.drawStill();
    const truth = table.measured.find((one) => sameLevels(one.levels, levels));
    const empty = seen.kl === 0;
    showTiles(parts.tiles, { table, seen, cost, truth, empty, full });
    showVerdict(parts.verdict, { table, seen, truth });
    showBankWords(parts.bankWords, table, this.choice, full);
    this.drawFaders();
    this.drawStrip();
    drawHere(parts.tradeoff, this.still, { table, seen, truth, look, taken: this.chart.boxes });
    setText(parts.words, this.marked ?? (this.hovered === undefined ? adviceWords(table) : cellWords(table, this.hovered, levels)));
    parts.buttons.undo.disabled = this.data.past.length === 0 && !this.unanswered.some(({ levels }) => levels);
    parts.buttons.redo.disabled = this.data.future.length === 0;
    this.root.dataset.kl = String(seen.kl);
    this.settle();
  }

  drawStrip() {
    const { table, levels, parts, look } = this;
    const locked = (group) => this.isLocked(group);
    const gone = goneLayers(table, levels);
    const shown = kindsShown(table, this.choice).filter((kind) => kind !== LAYERS);
    shown.forEach((kind, index) => {
      const cursor = this.cursor[kind];
      drawLane(parts.lanes[kind], { table, kind, levels, locked, gone, cursor, look, scale: index === 0 });
      this.describeLane(kind, gone);
    });
    drawLayers(parts.layers, { table, gone, look });
    drawLocks(parts.layerLocks, { table, lockedLayers: this.lockedLayers(), look });
    drawDamage(parts.damage, { table, damage: this.seen.damage, look });
  }

  // What stays while the hand moves: which bank is in view, and most of the chart.
  drawStill() {
    const { tradeoff } = this.parts;
    showBanks(this.parts, this.table, this.choice);
    this.still = document.createElement("canvas");
    this.still.style.cssText = "position:absolute;visibility:hidden;pointer-events:none";
    this.still.style.width = `${tradeoff.clientWidth}px`;
    this.still.style.height = `${tradeoff.clientHeight}px`;
    this.root.appendChild(this.still);
    this.chart = drawStill(this.still, this.table, this.look);
    this.still.remove();
  }

  drawFaders() {
    const { table, levels, parts } = this;
    for (const name of [...kindsShown(table, this.choice), "master"]) {
      const groups = scope(this, name);
      const own = groups.map((group) => levels[group]);
      const locked = this.locks.has(name);
      const total = name === LAYERS ? groups.length : (table.mix.counts[groups[0]] ?? 0);
      const counted = total > 0 && total < FEW ? { total, exact: name === LAYERS } : null;
      const mean = faderMean(table, name, groups, levels);
      showFader(parts.faders[name], parts.readings[name], { levels: own, mean, locked, most: table.maxLevel, counted });
      const lock = parts.locks[name];
      if (lock && lock.getAttribute("aria-pressed") !== String(locked)) {
        lock.setAttribute("aria-pressed", String(locked));
        lock.innerHTML = icon(locked ? "locked" : "open");
      }
    }
  }

  describeLane(kind, gone) {
    const lane = this.parts.lanes[kind];
    const layer = this.cursor[kind] ?? this.table.rows[kind].keys().next().value;
    const group = this.table.rows[kind].get(layer);
    const level = gone.has(layer) ? "gone" : percentText(this.levels[group]);
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

  // Take new levels, without what they rule out.
  change(next, before = this.levels) {
    this.levels = together(this.table, before, next, (group) => this.isLocked(group));
    this.ask();
  }

  move(name, target, start = this.levels) {
    const locked = (group) => this.isLocked(group);
    const groups = scope(this, name);
    const next =
      name === LAYERS
        ? withLayersGone(start, Math.round(target * groups.length), this.table, locked)
        : moved(start, groups, target, this.table, locked);
    this.change(next, start);
  }

  // A layer goes or comes back, unless it is locked, and never the last.
  toggleLayer(layer) {
    const group = this.table.rows[LAYERS]?.get(layer);
    const gone = goneLayers(this.table, this.levels);
    if (group === undefined || (!gone.has(layer) && gone.size + 1 >= this.table.rows[LAYERS].size)) return;
    this.set([group], gone.has(layer) ? 0 : 1);
  }

  choose(choice) {
    this.choice = { ...this.choice, ...choice };
    keepBank(this.choice);
    this.redraw();
  }

  point(group) {
    if (this.hovered === group) return;
    this.hovered = group;
    this.ask();
  }

  set(groups, level, soon = false) {
    this.change(withLevel(this.levels, groups, level, this.table, (group) => this.isLocked(group)));
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
