// The copy that the browser keeps of the history of plans: the history is Python's, one for all pages, and the
// copy outlives a reload.

function historyName({ fingerprint }) {
  return `prunescope-history-${fingerprint}`;
}

// What was kept before a reload, to be sent where Python's history has just begun; null where nothing was.
function keptHistory(table, { settings }) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(historyName(table)) ?? "{}");
    const moved = kept.settings !== undefined && kept.settings !== settings;
    const past = moved ? [...kept.past, kept.settings] : (kept.past ?? []);
    const future = moved ? [] : (kept.future ?? []);
    return past.length + future.length > 0 ? { past, future } : null;
  } catch {
    // A browser that keeps nothing, or something else under this name: the history starts empty.
    return null;
  }
}

function keepHistory(table, { past, future, settings }) {
  try {
    sessionStorage.setItem(historyName(table), JSON.stringify({ past, future, settings }));
  } catch {
    // Full or forbidden: undo then works until the page is loaded anew.
  }
}
