// What hands do: pointers on faders and lanes, keys, buttons. `desk` is the Desk whose state they change.

function listen(desk) {
  const { parts } = desk;
  for (const [name, fader] of Object.entries(parts.faders)) listenFader(desk, name, fader);
  for (const [kind, lane] of Object.entries(parts.lanes)) listenLane(desk, kind, lane);
  for (const [kind, button] of Object.entries(parts.locks)) button.onclick = () => desk.toggleLock(kind);
  for (const [bank, button] of Object.entries(parts.banks)) button.onclick = () => desk.choose({ bank });
  for (const [attention, button] of Object.entries(parts.attentions)) button.onclick = () => desk.choose({ attention });
  parts.layers.onclick = (event) => desk.toggleLayer(place(desk, parts.layers, event).layer);
  parts.layers.onpointermove = (event) => desk.point(desk.table.rows[LAYERS]?.get(place(desk, parts.layers, event).layer));
  parts.layers.onpointerleave = () => desk.point(undefined);
  parts.layerLocks.onclick = (event) => desk.toggleLock(String(place(desk, parts.layerLocks, event).layer));
  parts.tradeoff.onpointermove = (event) => pointMark(desk, nearestMark(desk.chart?.marks ?? [], event.offsetX, event.offsetY));
  parts.tradeoff.onpointerleave = () => pointMark(desk, undefined);
  parts.buttons.undo.onclick = () => desk.step("undo");
  parts.buttons.redo.onclick = () => desk.step("redo");
  parts.buttons.reset.onclick = () => desk.set(desk.table.groups.map((_, group) => group), 0);
  desk.root.onkeydown = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) desk.step("redo");
    else desk.step("undo");
  };
}

// What a mark of the chart is, whether or not its label found a place.
function pointMark(desk, mark) {
  if (desk.marked === mark?.words) return;
  desk.marked = mark?.words;
  desk.ask();
}

function listenFader(desk, name, fader) {
  fader.onpointerdown = (event) => {
    if (event.button !== 0) return;
    fader.setPointerCapture(event.pointerId);
    fader.focus({ preventScroll: true });
    const knob = fader.querySelector(".knob").getBoundingClientRect();
    const middle = (knob.top + knob.bottom) / 2;
    // Taken at the knob it stays under the finger; elsewhere it jumps there.
    const grip = Math.abs(event.clientY - middle) < 12 ? event.clientY - middle : 0;
    desk.drag = { start: desk.levels, grip };
    if (grip === 0) follow(desk, name, fader, event);
  };
  fader.onpointermove = (event) => {
    if (desk.drag && fader.hasPointerCapture(event.pointerId)) follow(desk, name, fader, event);
  };
  fader.onpointerup = fader.onpointercancel = () => desk.letGo();
  fader.ondblclick = () => desk.set(scope(desk, name), 0);
  fader.onkeydown = (event) => faderKey(desk, name, event);
  fader.onblur = () => desk.timer && desk.release();
}

function follow(desk, name, fader, event) {
  const box = fader.querySelector(".track").getBoundingClientRect();
  const share = (box.bottom - (event.clientY - desk.drag.grip)) / box.height;
  const target = Math.min(1, Math.max(0, share)) * desk.table.maxLevel;
  desk.move(name, Math.round(target * 100) / 100, desk.drag.start);
}

// What a fader moves: a kind in the layers that are there, all kinds of weights, or the layers themselves.
function scope(desk, name) {
  const { table, levels } = desk;
  if (name === LAYERS) return [...table.rows[LAYERS].values()];
  const kinds = name === "master" ? table.order : [name];
  const gone = goneLayers(table, desk.drag?.start ?? levels);
  return kinds.flatMap((kind) => [...table.rows[kind]].filter(([layer]) => !gone.has(layer)).map(([, group]) => group));
}

function faderKey(desk, name, event) {
  const most = desk.table.maxLevel;
  const own = scope(desk, name);
  if (own.length === 0) return;
  const mean = faderMean(desk.table, name, own, desk.levels);
  const step = name === LAYERS ? 1 / own.length : stepOf(desk.table, own[0]);
  const to = keyLevel(event.key, mean, most, step);
  if (to === null || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  // A painted curve moves a little less than a step at times, for its levels are rounded: never back.
  desk.move(name, to);
  desk.releaseSoon();
}

function listenLane(desk, kind, lane) {
  lane.onpointerdown = (event) => {
    if (event.button !== 0) return;
    lane.setPointerCapture(event.pointerId);
    lane.focus({ preventScroll: true });
    desk.drag = { from: place(desk, lane, event) };
    stroke(desk, kind, desk.drag.from, desk.drag.from);
  };
  lane.onpointermove = (event) => {
    const here = place(desk, lane, event);
    if (desk.drag && lane.hasPointerCapture(event.pointerId)) {
      stroke(desk, kind, desk.drag.from, here);
      desk.drag.from = here;
    }
    desk.point(desk.table.rows[kind].get(here.layer));
  };
  lane.onpointerup = lane.onpointercancel = () => desk.letGo();
  lane.onpointerleave = () => !desk.drag && desk.point(undefined);
  lane.ondblclick = (event) => {
    const group = desk.table.rows[kind].get(place(desk, lane, event).layer);
    if (group !== undefined) desk.set([group], 0);
  };
  lane.onkeydown = (event) => laneKey(desk, kind, event);
  lane.onfocus = () => {
    desk.cursor = { [kind]: desk.cursor[kind] ?? desk.table.rows[kind].keys().next().value };
    desk.point(desk.table.rows[kind].get(desk.cursor[kind]));
  };
  lane.onblur = () => {
    desk.cursor = {};
    desk.point(undefined);
    if (desk.timer) desk.release();
  };
}

function place(desk, canvas, event) {
  const box = canvas.getBoundingClientRect();
  const cell = (box.width - AXIS.left) / desk.table.layers;
  const layer = Math.floor((event.clientX - box.left - AXIS.left) / cell);
  const share = (box.bottom - event.clientY) / box.height;
  return {
    layer: Math.min(desk.table.layers - 1, Math.max(0, layer)),
    level: Math.min(1, Math.max(0, share)) * desk.table.maxLevel,
  };
}

function stroke(desk, kind, from, to) {
  desk.cursor = { [kind]: to.layer };
  const locked = (group) => desk.isLocked(group);
  desk.change(painted(desk.levels, desk.table.rows[kind], from, to, desk.table, locked));
  desk.point(desk.table.rows[kind].get(to.layer));
  desk.ask();
}

function laneKey(desk, kind, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = desk.table.rows[kind];
  const layers = [...row.keys()].sort((a, b) => a - b);
  const layer = desk.cursor[kind] ?? layers[0];
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const next = layers[layers.indexOf(layer) + (event.key === "ArrowRight" ? 1 : -1)] ?? layer;
    // With Shift the level is carried along, which paints by keyboard.
    if (event.shiftKey) desk.set([row.get(next)], desk.levels[row.get(layer)], true);
    desk.cursor = { [kind]: next };
  } else if (event.key.toLowerCase() === "l") {
    desk.toggleLock(String(layer));
  } else if (event.key.toLowerCase() === "x") {
    desk.toggleLayer(layer);
  } else {
    const to = keyLevel(event.key, desk.levels[row.get(layer)], desk.table.maxLevel, stepOf(desk.table, row.get(layer)));
    if (to === null) return;
    desk.set([row.get(layer)], to, true);
  }
  event.preventDefault();
  desk.point(row.get(desk.cursor[kind] ?? layer));
  desk.ask();
}

// Where a key takes a level: a step, or with the page keys a tenth and no less than a step.
function keyLevel(key, now, most, step = STEP) {
  const page = Math.max(0.1, step);
  const steps = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step, PageUp: page, PageDown: -page };
  if (key === "Home") return 0;
  if (key === "End") return most;
  if (!(key in steps)) return null;
  const to = Math.min(most, Math.max(0, now + steps[key]));
  return step === STEP ? Math.round(to * 100) / 100 : to;
}
