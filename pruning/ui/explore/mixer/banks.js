// The two banks of faders: whole units, single weights, or both; and by which of heads and KV groups attention
// is cut. What was chosen is kept in the browser.

const BANKS = { units: "Whole units", weights: "Single weights", both: "Both" };
const BANK_WORDS = {
  units: "Heads, neurons and layers are cut out: the model gets smaller and faster.",
  weights: "Single weights become zero: only a compact file gets smaller, and nothing gets faster.",
  both: "Units are cut out first (smaller, faster); then single weights of what stays become zero (compact file).",
};
const NO_UNITS = "This map prices single weights alone. Draw it again to plan heads, neurons and layers as well.";
const FULL_SIZE = "The folder is full size with zeros, and no faster; time and memory above are of the model once it is cut.";
const ATTENTION = ["heads", "kv_groups"];
const CHOICE = "prunescope-bank";

// The kinds of units with a fader: those that a layer has more than one of, and layers themselves.
function unitKinds(table) {
  const many = (kind) => kind === LAYERS || [...table.rows[kind].values()].some((group) => table.mix.counts[group] > 1);
  const kinds = (table.unitOrder ?? []).filter(many);
  return [...ATTENTION, "neurons", LAYERS].filter((kind) => kinds.includes(kind));
}

// What is in view: of heads and KV groups one.
function kindsShown(table, { bank, attention }) {
  const other = table.units.includes(attention) ? EXCLUSIVE[attention] : null;
  const units = bank === "weights" ? [] : table.units.filter((kind) => kind !== other);
  return [...units, ...(bank === "units" && table.units.length > 0 ? [] : table.order)];
}

function bothAttentions(table) {
  return ATTENTION.every((kind) => table.units.includes(kind));
}

// As it was left, and where the plan cuts KV groups alone, by those.
function chosenBank(table, levels) {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(CHOICE) ?? "{}");
  } catch {
    // A browser that keeps nothing, or something else under this name: as if nothing had been chosen.
  }
  const used = ATTENTION.filter((kind) => [...(table.rows[kind]?.values() ?? [])].some((group) => levels[group] > 0));
  const attention = used.length === 1 ? used[0] : ATTENTION.includes(kept.attention) ? kept.attention : "heads";
  return { bank: kept.bank in BANKS ? kept.bank : "both", attention };
}

function keepBank(choice) {
  try {
    localStorage.setItem(CHOICE, JSON.stringify(choice));
  } catch {
    // Full or forbidden: the choice then ends with the page.
  }
}

function banksHtml(table) {
  const some = table.units.length > 0;
  const bank = (name) => `<button data-bank="${name}" aria-pressed="false" ${some || name === "weights" ? "" : "disabled"}>${BANKS[name]}</button>`;
  const attention = (kind) => `<button data-attention="${kind}" aria-pressed="false">${table.kinds[kind].short}</button>`;
  return `<div class="banks">
    <div class="segments" role="group" aria-label="Faders in view">${Object.keys(BANKS).map(bank).join("")}</div>
    <div class="bank-words" data-bank-words></div>
    <div class="attention" data-attention-choice hidden>
      <span class="quiet" title="KV groups are heads with the keys and values they share: fewer of them also need less memory.">Cut attention by</span>
      <div class="segments" role="group" aria-label="Cut attention by">${some ? ATTENTION.filter((kind) => table.kinds[kind]).map(attention).join("") : ""}</div>
    </div>
  </div>`;
}

// What the bank does; a warning takes its place.
function showBankWords(element, table, { bank }, warning) {
  setText(element, warning ?? (table.units.length > 0 ? BANK_WORDS[bank] : NO_UNITS));
  element.classList.toggle("warning", Boolean(warning));
}

// Shows what was chosen.
function showBanks(parts, table, choice) {
  const bank = table.units.length > 0 ? choice.bank : "weights";
  for (const [name, button] of Object.entries(parts.banks)) button.setAttribute("aria-pressed", String(name === bank));
  for (const [kind, button] of Object.entries(parts.attentions)) {
    button.setAttribute("aria-pressed", String(kind === choice.attention));
  }
  parts.attentionChoice.hidden = bank === "weights" || !bothAttentions(table);
  const shown = new Set(kindsShown(table, choice));
  for (const [kind, lane] of Object.entries(parts.lanes)) lane.parentElement.hidden = !shown.has(kind);
  for (const [kind, fader] of Object.entries(parts.faders)) {
    fader.parentElement.hidden = kind === "master" ? bank === "units" : !shown.has(kind);
  }
  parts.groups.units.hidden = bank === "weights";
  parts.groups.weights.hidden = bank === "units";
}

// Why a smaller file cannot be written of these units, in words; null where it can.
function whyFullSize(table, cost, levels) {
  if (!cost) return null;
  for (const kind of ATTENTION) {
    const writable = table.writable?.[kind];
    const gone = [...(table.rows[kind]?.values() ?? [])]
      .map((own) => (levels[own] > 0 ? wholeUnits(table.mix.counts[own], levels[own]) : 0))
      .find((count) => count > 0 && writable && !writable.includes(count));
    if (gone) {
      const could = writable.length > 0 ? ` Take away ${writable.join(", ")} for a smaller folder.` : "";
      const unit = (kind === "heads" ? "head" : "KV group") + (gone === 1 ? "" : "s");
      return `No file holds a layer without ${gone} ${unit}. ${FULL_SIZE}${could}`;
    }
  }
  return null;
}
