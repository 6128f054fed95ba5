"""The task that says which groups each capability leans on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pruning.engine.calibration.capability_text import capability_texts
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.capability_costs import capability_costs
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring
from pruning.files import write_json
from pruning.progress import Progress
from pruning.tasks.best import PRICED_BY
from pruning.tasks.context.context import groups_of, inputs_for, same_text, windows_of
from pruning.tasks.sensitivity import check_levels
from pruning.workspace.results import stored
from pruning.workspace.store import Store


def capabilities(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    criterion: str = "fisher",
    levels: Sequence[float] = LEVELS,
    data: str = "demo",
    out: str | None = None,
) -> dict[str, Any]:
    """Forecast what every level of every group costs each capability; one backward pass for each.

    The criterion chooses weights by the text `data`, as for the map. Criteria that change the weights that
    stay are priced by one that does not. A capability is stored once it is done, and not done again.
    """
    priced = PRICED_BY if named_criterion(criterion).updates else criterion
    chosen, groups = named_criterion(priced), groups_of(loaded)
    wanted = check_levels(levels)
    key = {**same_text(loaded, data), "criterion": criterion, "levels": wanted}
    value: dict[str, Any] = {
        "capabilities": {},
        "groups": [list(group) for group in groups],
        "levels": wanted,
        "criterion": criterion,
        "priced_by": priced,
        "data_fingerprint": windows_of(loaded, data).fingerprint,
    }
    before = stored(store, "capabilities", key, value["data_fingerprint"])
    if before is not None:
        value["capabilities"] = before["capabilities"]
    lessons = capability_texts(loaded.tokenizer)
    missing = [name for name in lessons if name not in value["capabilities"]]
    if missing:
        scoring = Scoring(chosen, inputs_for(loaded, store, data, chosen, progress))
    for index, name in enumerate(missing):
        part = _part(progress, index, len(missing), name)
        text = lessons[name]
        costs = capability_costs(loaded.model, loaded.groups, text, scoring, wanted, part)
        value["capabilities"][name] = costs.tolist()
        store.put("capabilities", key, value)
    path = write_json(Path(out) if out else store.file("capabilities", key, ".json"), value, "The costs")
    return {**value, "out": str(path)}


def _part(progress: Progress, index: int, count: int, name: str) -> Progress:
    """Progress of one capability as a part of all. Reading and pricing each take about half of it."""

    def report(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        reading = note.startswith("Reading")
        share = 0.5 * done / max(total, 1) + (0.0 if reading else 0.5)
        verb = "Reading about" if reading else "Pricing"
        progress(index + share, count, f"{verb} {name.replace('_', ' ')}", partial)

    return report
