// The desk's elements: made once, then only their text, style and pictures change.

const ICONS = {
  open: '<path d="M7 11V7a5 5 0 0 1 9.6-2M5 11h14v10H5z"/>',
  locked: '<path d="M7 11V7a5 5 0 0 1 10 0v4M5 11h14v10H5z"/>',
  undo: '<path d="M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3"/>',
  redo: '<path d="m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3"/>',
};

function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[name]}</svg>`;
}

function tileHtml(name, label, help) {
  return `<div class="tile" data-tile="${name}" title="${help}">
    <div class="label">${label}</div>
    <div class="value"></div>
    <div class="source"><span class="badge"></span> <span class="beside"></span></div>
    <div class="note"></div>
  </div>`;
}

function faderHtml(name, label, full, colour) {
  return `<div class="channel">
    <div class="reading" data-reading="${name}">0 %</div>
    <div class="fader" data-fader="${name}" role="slider" tabindex="0" aria-orientation="vertical"
      aria-label="${full}" aria-valuemin="0" aria-valuemax="95" style="--kind: ${colour}"
      title="Drag, or use the arrow and page keys. Double click: back to 0 %.">
      <div class="track"><div class="spread"></div><div class="fill"></div></div><div class="knob"></div>
    </div>
    <div class="name">${label}</div>
    ${name === "master"
      ? '<div class="lock-space"></div>'
      : `<button class="lock" data-lock="${name}" aria-pressed="false" aria-label="Lock ${full}"
          title="A locked group keeps its levels.">${icon("open")}</button>`}
  </div>`;
}

function laneHtml(kind, { label, short }) {
  return `<div class="lane">
    <div class="lane-name">${short}</div>
    <canvas data-lane="${kind}" role="slider" tabindex="0" aria-orientation="vertical"
      aria-label="${label}, layer by layer" aria-valuemin="0" aria-valuemax="95"
      aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown PageUp PageDown L"></canvas>
  </div>`;
}

function deskHtml(table) {
  const faders = table.order.map((kind) => {
    const { label, short, colour } = table.kinds[kind];
    return faderHtml(kind, short, label, colour);
  });
  return `
    <div class="tiles">
      ${tileHtml("perplexity", "Perplexity", table.help.perplexity)}
      ${tileHtml("agreement", "Same next word", table.help.agreement)}
      ${tileHtml("accuracy", "Right next word", table.help.accuracy)}
      ${tileHtml("questions", "Questions right", table.help.questions)}
      ${tileHtml("size", "Model folder", table.help.size)}
      ${tileHtml("speed", "Speed", "Zeros make nothing faster on ordinary engines.")}
    </div>
    <div class="verdict" data-verdict title="${table.help.verdict}">${verdictHtml()}</div>
    <div class="board">
      <section class="mixer" aria-label="Sparsity of whole groups">
        <div class="faders">${faderHtml("master", "All", "All groups", "var(--st-text-color)")}${faders.join("")}</div>
        <div class="tools">
          <button data-do="undo" title="Undo (Ctrl+Z)" aria-label="Undo">${icon("undo")}</button>
          <button data-do="redo" title="Redo (Ctrl+Shift+Z)" aria-label="Redo">${icon("redo")}</button>
          <button data-do="reset" title="Back to the unpruned model; what is locked stays.">Reset</button>
        </div>
      </section>
      <section class="strip" aria-label="Sparsity of single layers">
        <div class="title">Sparsity, layer by layer <span class="quiet">drag to paint a curve</span></div>
        ${table.order.map((kind) => laneHtml(kind, table.kinds[kind])).join("")}
        <div class="lane"><div class="lane-name quiet">layer</div>
          <canvas data-layers title="Click a number to lock its layer." aria-hidden="true"></canvas></div>
        <div class="title">Where the damage comes from <span class="badge">${table.forecastLabel}</span>
          <span class="quiet">KL, nats per token</span></div>
        <div class="lane"><div class="lane-name"></div>
          <canvas data-damage role="img" aria-label="Forecast damage of this plan by layer"></canvas></div>
      </section>
      <section class="side" aria-label="Quality against size">
        <div class="title">Perplexity against size <span class="badge">${table.forecastLabel}</span></div>
        <canvas data-tradeoff role="img" aria-label="Forecast perplexity against size, with this plan marked"></canvas>
        <div class="legend">
          ${table.presets.filter(({ drawn }) => drawn).map(({ label }, i) => `<span><i class="dash d${i}"></i>${label}</span>`).join("")}
          <span><i class="mark here"></i>this plan, with its band</span>
          <span><i class="mark dot"></i>measured</span>
          <span><i class="mark square"></i>pinned</span>
        </div>
        <div class="cell" data-words></div>
      </section>
    </div>
    <div class="spoken" aria-live="polite"></div>
    <div class="differs" role="alert" hidden></div>`;
}

function partsOf(root) {
  const all = (selector, name) =>
    Object.fromEntries([...root.querySelectorAll(selector)].map((part) => [part.dataset[name], part]));
  return {
    tiles: all("[data-tile]", "tile"),
    faders: all("[data-fader]", "fader"),
    readings: all("[data-reading]", "reading"),
    locks: all("[data-lock]", "lock"),
    lanes: all("[data-lane]", "lane"),
    buttons: all("[data-do]", "do"),
    layers: root.querySelector("[data-layers]"),
    damage: root.querySelector("[data-damage]"),
    tradeoff: root.querySelector("[data-tradeoff]"),
    verdict: root.querySelector("[data-verdict]"),
    words: root.querySelector("[data-words]"),
    spoken: root.querySelector(".spoken"),
    differs: root.querySelector(".differs"),
  };
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showTile(tile, { value, badge, beside, note }) {
  setText(tile.querySelector(".value"), value);
  const mark = tile.querySelector(".source .badge");
  setText(mark, badge);
  mark.classList.toggle("measured", !badge.startsWith("forecast"));
  mark.hidden = badge === "";
  setText(tile.querySelector(".beside"), beside);
  setText(tile.querySelector(".note"), note);
}

// A figure that is forecast until it is measured: then that is the large one, and the forecast stands below.
function qualityTile({ seen, low, high, truth, dense, text, empty, label }) {
  const unpruned = dense === undefined ? "" : `unpruned ${text(dense)}`;
  if (empty) return { value: text(seen), badge: "unpruned", beside: "", note: "" };
  if (truth !== undefined) {
    return { value: text(truth), badge: "measured", beside: unpruned, note: `${label} was ${text(seen)}` };
  }
  return { value: text(seen), badge: label, beside: `${text(low)} – ${text(high)}`, note: unpruned };
}

function questionsTile(table, seen, truth, empty) {
  const right = questionsRight(table, seen);
  if (right === null && truth === undefined) {
    return { value: "–", badge: "", beside: "not asked yet", note: "the button below asks them" };
  }
  if (right === null) return { value: percentText(truth), badge: "measured", beside: "", note: "" };
  return qualityTile({ seen: right.value, low: right.low, high: right.high, truth, dense: right.dense, text: percentText, empty, label: table.forecastLabel });
}

// What an export writes is exact: no forecast. The compact form comes second.
function sizeTile(dense, seen, truth, empty) {
  const [file, compact] = [truth?.fileBytes ?? seen.fileBytes, truth?.bytes ?? seen.bytes];
  const beside = empty || file < dense.bytes ? "" : "zeros take room too";
  const note = compact < file ? `compact file ${sizeText(compact)}, ${percentText(compact / file - 1)}` : "";
  return { value: sizeText(file), badge: empty ? "unpruned" : "exact", beside, note };
}

function showTiles(tiles, { table, seen, truth, empty }) {
  const label = table.forecastLabel;
  const dense = table.dense;
  const quality = (name, text, unpruned) =>
    qualityTile({
      seen: seen[name],
      low: seen[`${name}Low`],
      high: seen[`${name}High`],
      truth: truth?.[name],
      dense: unpruned,
      text,
      empty,
      label,
    });
  showTile(tiles.perplexity, quality("perplexity", perplexityText, dense.perplexity));
  showTile(tiles.agreement, { ...quality("agreement", percentText), ...(truth || empty ? {} : { note: "as the unpruned model" }) });
  showTile(tiles.accuracy, quality("accuracy", percentText, dense.accuracy));
  showTile(tiles.questions, questionsTile(table, seen, truth?.questions, empty));
  showTile(tiles.size, sizeTile(dense, seen, truth, empty));
  showTile(tiles.speed, {
    value: "1.0×",
    badge: table.decodeMs ? "measured" : "",
    beside: table.decodeMs ? `${fixed(table.decodeMs, 0)} ms a word` : "not timed yet",
    note: "zeros speed nothing up",
  });
}

// One fader: its knob at the mean, a band over the levels that its layers have.
function showFader(fader, reading, levels, mean, locked, most) {
  const share = mean / most;
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  fader.style.setProperty("--at", share);
  fader.style.setProperty("--low", low / most);
  fader.style.setProperty("--high", high / most);
  const text = percentText(mean);
  setText(reading, text);
  fader.setAttribute("aria-valuenow", String(wholePercent(mean)));
  const mixed = high - low > 0.005 ? `, layers from ${percentText(low)} to ${percentText(high)}` : "";
  fader.setAttribute("aria-valuetext", `${text}${mixed}${locked ? ", locked" : ""}`);
  fader.classList.toggle("held", locked);
}
