// The tables that Python sent: what desks compute with, and what they say of a plan aloud.

// Two mounts talk through the window: each may be a module of its own.
const TABLES = (window.prunescopeTables ??= new Map());
const WAITING = (window.prunescopeWaiting ??= new Set());
const KEPT_TABLES = 4;

function receive(table) {
  const rows = Object.fromEntries([...table.unitOrder, ...table.order].map((kind) => [kind, new Map()]));
  table.groups.forEach(({ layer, kind }, group) => rows[kind].set(layer, group));
  const taken = { ...table, rows };
  taken.units = unitKinds(taken);
  taken.costs = table.cost && costs(taken, table.groups.map(() => 0)); // of the unpruned model
  TABLES.delete(table.id);
  TABLES.set(table.id, taken);
  while (TABLES.size > KEPT_TABLES) TABLES.delete(TABLES.keys().next().value);
  for (const desk of WAITING) desk.begin();
}

function spokenWords(table, levels) {
  const seen = forecast(table, levels);
  const cost = table.cost && costs(table, levels);
  const speed = cost ? `, writing ${fixed(cost.decodeSpeedup, 2)} times as fast` : "";
  return (
    `Forecast: perplexity ${perplexityText(seen.perplexity)}, same next word ${percentText(seen.agreement)}, ` +
    `right next word ${percentText(seen.accuracy)}; compact file ${sizeText(cost?.compactBytes ?? seen.bytes)}${speed}`
  );
}
