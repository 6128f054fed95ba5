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

// What a fader says when it is pointed at: what it takes from, and how it is moved.
function faderHelp(name, about) {
  const how = name === LAYERS
    ? "Lets those layers go that hurt least. Click a layer's number to choose yourself."
    : "Drag, or use the arrow and page keys. Double click: back to 0 %.";
  return about ? `${about} ${how}` : how;
}

function faderHtml(name, label, full, colour, about) {
  return `<div class="channel">
    <div class="reading" data-reading="${name}">0 %</div>
    <div class="fader" data-fader="${name}" role="slider" tabindex="0" aria-orientation="vertical"
      aria-label="${full}" aria-valuemin="0" aria-valuemax="95" style="--kind: ${colour}"
      title="${faderHelp(name, about)}">
      <div class="track"><div class="spread"></div><div class="fill"></div></div><div class="knob"></div>
    </div>
    <div class="name">${label}</div>
    ${name === "master"
      ? '<div class="lock-space"></div>'
      : `<button class="lock" data-lock="${name}" aria-pressed="false" aria-label="Lock ${full}"
          title="A locked group keeps its levels.">${icon("open")}</button>`}
  </div>`;
}

function laneHtml(kind, { label, short, about }) {
  return `<div class="lane">
    <div class="lane-name" title="${about ?? ""}">${short}</div>
    <canvas data-lane="${kind}" role="slider" tabindex="0" aria-orientation="vertical"
      aria-label="${label}, layer by layer" aria-valuemin="0" aria-valuemax="95"
      aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown PageUp PageDown L X"></canvas>
  </div>`;
}

function faderGroup(name, table, kinds, first = "") {
  const faders = kinds.map((kind) => {
    const { label, short, colour, about } = table.kinds[kind];
    return faderHtml(kind, short, label, colour, about);
  });
  return `<div class="fader-group" data-group="${name}">
    <div class="group-name quiet">${BANKS[name]}</div><div class="faders">${first}${faders.join("")}</div></div>`;
}

function mixerHtml(table) {
  return `<section class="mixer" aria-label="Sparsity of whole groups">
    <div class="fader-groups">
      ${faderGroup("units", table, table.units)}
      ${faderGroup("weights", table, table.order, faderHtml("master", "All", "All groups", "var(--st-text-color)", "All five at once; it shows their mean."))}
    </div>
    <div class="tools">
      <button data-do="undo" title="Undo (Ctrl+Z)" aria-label="Undo">${icon("undo")}</button>
      <button data-do="redo" title="Redo (Ctrl+Shift+Z)" aria-label="Redo">${icon("redo")}</button>
      <button data-do="reset" title="Back to the unpruned model; what is locked stays.">Reset</button>
    </div>
  </section>`;
}

function stripHtml(table) {
  const kinds = [...table.units.filter((kind) => kind !== LAYERS), ...table.order];
  const drops = table.units.includes(LAYERS);
  return `<section class="strip" aria-label="Sparsity of single layers">
    <div class="title">Removed, layer by layer <span class="quiet">drag to paint a curve</span></div>
    ${kinds.map((kind) => laneHtml(kind, table.kinds[kind])).join("")}
    <div class="lane"><div class="lane-name quiet">layer</div>
      <canvas data-layers title="${drops ? "Click a number: that whole layer goes, or comes back." : "The layers' numbers."}" aria-hidden="true"></canvas></div>
    <div class="lane"><div class="lane-name quiet">locked</div>
      <canvas data-locks title="Click to lock a layer: it keeps its levels." aria-hidden="true"></canvas></div>
    <div class="title">Where the damage comes from <span class="badge">${table.forecastLabel}</span>
      <span class="quiet">KL, nats per token</span></div>
    <div class="lane"><div class="lane-name"></div>
      <canvas data-damage role="img" aria-label="Forecast damage of this plan by layer"></canvas></div>
  </section>`;
}

function sideHtml(table) {
  return `<section class="side" aria-label="Quality against size">
    <div class="title">Perplexity against size <span class="badge">${table.forecastLabel}</span></div>
    <canvas data-tradeoff role="img" aria-label="Forecast perplexity against size, with this plan marked"></canvas>
    <div class="legend">
      ${table.presets.filter(({ drawn }) => drawn).map(({ label }, i) => `<span><i class="dash d${i}"></i>${label}</span>`).join("")}
      <span><i class="mark here"></i>this plan, with its band</span>
      <span><i class="mark dense"></i>unpruned</span>
      <span><i class="mark dot"></i>measured</span>
      <span><i class="mark square"></i>pinned</span>
    </div>
    <div class="cell" data-words></div>
  </section>`;
}

function deskHtml(table) {
  return `${cardsHtml(table)}
    <div class="verdict" data-verdict title="${table.help.verdict}">${verdictHtml()}</div>
    ${banksHtml(table)}
    <div class="board">${mixerHtml(table)}${stripHtml(table)}${sideHtml(table)}</div>
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
    banks: all("[data-bank]", "bank"),
    attentions: all("[data-attention]", "attention"),
    groups: all("[data-group]", "group"),
    bankWords: root.querySelector("[data-bank-words]"),
    attentionChoice: root.querySelector("[data-attention-choice]"),
    layers: root.querySelector("[data-layers]"),
    layerLocks: root.querySelector("[data-locks]"),
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

// One fader: its knob at the mean, a band over the levels that its layers have. `counted`: of how many units,
// where they are counted one by one.
function showFader(fader, reading, { levels, mean, locked, most, counted }) {
  const [low, high] = levels.length > 0 ? [Math.min(...levels), Math.max(...levels)] : [0, 0];
  const top = (level) => Math.min(1, level / most);
  fader.style.setProperty("--at", top(mean));
  fader.style.setProperty("--low", top(low));
  fader.style.setProperty("--high", top(high));
  const even = high - low <= 0.005;
  const text = percentText(mean);
  const gone = counted ? Math.round(mean * counted.total) : 0;
  setText(reading, counted && (even || counted.exact) ? `${gone}/${counted.total}` : text);
  fader.setAttribute("aria-valuenow", String(wholePercent(mean)));
  const mixed = even || counted?.exact ? "" : `, layers from ${percentText(low)} to ${percentText(high)}`;
  const of = counted && (even || counted.exact) ? `${gone} of ${counted.total}, ` : "";
  fader.setAttribute("aria-valuetext", `${of}${text}${mixed}${locked ? ", locked" : ""}`);
  fader.classList.toggle("held", locked);
}
