// The cards: quality, and what the plan makes of size and time. Each figure says whether it is measured, a
// forecast or an estimate.

function tileHtml(name, label, help, term = "") {
  return `<div class="tile" data-tile="${name}" title="${help}">
    <div class="label">${label}${term ? ` <span class="term">${term}</span>` : ""}</div>
    <div class="value"></div>
    <div class="source"><span class="badge"></span> <span class="beside"></span></div>
    <div class="note"></div>
  </div>`;
}

function rowHtml(name, label, help, term = "") {
  return `<div class="row" data-tile="${name}" title="${help}">
    <span class="label">${label}${term ? `<span class="term">${term}</span>` : ""}</span><span class="value"></span>
    <span class="source"><span class="badge"></span> <span class="beside"></span></span><span class="note"></span>
  </div>`;
}

function cardsHtml({ help }) {
  return `<div class="tiles">
    <section class="tile quality" aria-label="Quality">
      ${tileHtml("perplexity", "Perplexity", help.perplexity)}
      <div class="rows">
        ${rowHtml("agreement", "Same next word", help.agreement, "top-1 agreement")}
        ${rowHtml("accuracy", "Right next word", help.accuracy, "top-1 accuracy")}
        ${rowHtml("questions", "Questions right", help.questions)}
      </div>
    </section>
    ${tileHtml("size", "Model folder", help.size, "checkpoint")}
    ${tileHtml("prefill", "Reading a prompt", help.prefill, "prefill")}
    ${tileHtml("decode", "Writing a word", help.decode, "decode")}
    ${tileHtml("memory", "Memory while running", help.memory)}
  </div>`;
}

function showTile(tile, { value, badge, beside, note }) {
  setText(tile.querySelector(".value"), value);
  const mark = tile.querySelector(".badge");
  setText(mark, badge);
  const exact = badge !== "" && !badge.startsWith("forecast") && badge !== "estimate";
  mark.classList.toggle("measured", exact && badge !== "exact");
  mark.classList.toggle("exact", badge === "exact");
  mark.classList.toggle("estimate", badge === "estimate");
  tile.classList.toggle("known", exact);
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
    return { value: "–", badge: "", beside: "not asked yet", note: "" };
  }
  if (right === null) return { value: percentText(truth), badge: "measured", beside: "", note: "" };
  return qualityTile({ seen: right.value, low: right.low, high: right.high, truth, dense: right.dense, text: percentText, empty, label: table.forecastLabel });
}

// What an export writes is exact: no forecast. The compact form comes second.
function sizeTile(table, { seen, cost, truth, empty, full }) {
  const dense = cost ? table.costs.fileBytes : table.dense.bytes;
  const cut = full ? dense : (cost?.fileBytes ?? seen.fileBytes);
  const [file, compact] = [truth?.fileBytes ?? cut, truth?.bytes ?? cost?.compactBytes ?? seen.bytes];
  const grown = full ? "full size, with zeros" : "zeros take room too";
  const beside = empty ? "" : file < dense ? changeText(file / dense) : grown;
  const note = compact < file ? `compact ${sizeText(compact)}, ${changeText(compact / dense)}` : "";
  return { value: sizeText(file), badge: empty ? "unpruned" : "exact", beside, note };
}

function changeText(ratio) {
  return Math.abs(ratio - 1) < 0.0005 ? "as before" : percentText(ratio - 1, Math.abs(ratio - 1) < 0.0995 ? 1 : 0);
}

// Milliseconds where the model was timed here or its speed is known, else how many times as fast.
function timeTile(table, cost, mode) {
  if (!cost) return { value: "–", badge: "", beside: "load the model again", note: "its parts are not counted" };
  const [ms, times] = [cost[`${mode}Ms`], cost[`${mode}Speedup`]];
  const dense = table.costs[`${mode}Ms`];
  const faster = `${fixed(times, 2)}×`;
  const same = Math.abs(times - 1) < 1e-9;
  const device = table.cost.device;
  if (device && same) return { value: msText(ms), badge: "estimate", beside: "1.00×", note: device };
  if (!cost.timed) {
    const known = ms === null ? "" : `unpruned ${msText(dense)}${device ? `, ${device}` : ""}`;
    if (same) return { value: ms === null ? "1.00×" : msText(ms), badge: ms === null ? "estimate" : "unpruned", beside: ms === null ? "" : "1.00×", note: ms === null ? "as fast; not timed yet" : "not timed here yet" };
    return { value: ms === null ? faster : msText(ms), badge: "estimate", beside: ms === null ? "" : faster, note: known || "as fast; not timed yet" };
  }
  if (same) return { value: msText(ms), badge: "measured", beside: "1.00×", note: "as unpruned" };
  const error = table.timeBand?.[mode] ?? 0;
  const band = error > 0 ? `± ${percentText(error)}` : "";
  return { value: msText(ms), badge: "forecast", beside: [faster, band].filter(Boolean).join(", "), note: `unpruned ${msText(dense)}` };
}

function msText(value) {
  return `${fixed(value, value < 0.95 ? 2 : value < 9.95 ? 1 : 0)} ms`;
}

function memoryTile(table, cost, empty) {
  if (!cost) return { value: "–", badge: "", beside: "", note: "" };
  const ratio = cost.memoryBytes / table.costs.memoryBytes;
  return {
    value: sizeText(cost.memoryBytes),
    badge: "estimate",
    beside: empty ? "unpruned" : changeText(ratio),
    note: `KV cache of ${fixed(table.cost.parts.contextTokens, 0)} tokens`,
  };
}

function showTiles(tiles, state) {
  const { table, seen, cost, truth, empty } = state;
  const { dense, forecastLabel: label } = table;
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
  showTile(tiles.size, sizeTile(table, state));
  showTile(tiles.prefill, timeTile(table, cost, "prefill"));
  showTile(tiles.decode, timeTile(table, cost, "decode"));
  showTile(tiles.memory, memoryTile(table, cost, empty));
}
