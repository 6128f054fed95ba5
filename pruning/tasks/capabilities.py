"""The task that says which groups each capability leans on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pruning.engine.calibration.capability_text import capability_texts
from pruning.engine.criteria import Criterion
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.sensitivity.capability_costs import capability_costs
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring
from pruning.files import write_json
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.progress import stage, within
from pruning.sharing import Piece
from pruning.tasks.context.session import Session
from pruning.tasks.sensitivity import check_levels, priced_by


def capabilities(
    session: Session, criterion: str = "fisher", levels: Sequence[float] = LEVELS, out: str | None = None
) -> dict[str, Any]:
    """Forecast what every level of every group costs each capability; one backward pass for each.

    The criterion chooses weights by the session's text, as for the map. A criterion that makes a weight
    update is priced by one that does not. A capability is stored once it is done, and not done again.
    """
    criterion = canonical_criterion(criterion)
    method, columns = named_criterion(priced_by(criterion)), check_levels(levels)
    key = {**session.key, "criterion": criterion, "levels": columns}
    value: dict[str, Any] = {
        "capabilities": {},
        "groups": [list(group) for group in session.plan_groups()],
        "levels": columns,
        "criterion": criterion,
        "priced_by": priced_by(criterion),
        "data_fingerprint": session.windows.fingerprint,
    }
    before = session.stored("capabilities", key)
    if before is not None:
        value["capabilities"] = before["capabilities"]
    texts = capability_texts(session.loaded.tokenizer)
    missing = [name for name in texts if name not in value["capabilities"]]
    if missing:
        session.inputs_for(method)
        pieces = [
            Piece(name.replace("_", " "), (index, len(missing), name)) for index, name in enumerate(missing)
        ]
        done = 0
        results = session.each(
            session,
            _costing,
            pieces,
            (method, columns),
            lambda note: session.progress(done, len(missing), note),
        )
        for number, costs in results:
            done += 1
            value["capabilities"][missing[number]] = costs.tolist()
            session.store.put("capabilities", key, value)
        value["capabilities"] = {name: value["capabilities"][name] for name in texts}
        session.store.put("capabilities", key, value)
    path = Path(out) if out else session.store.file("capabilities", key, ".json")
    return {**value, "out": str(write_json(path, value, "The costs"))}


def _costing(
    session: Session, method: Criterion, levels: Sequence[float]
) -> Callable[[tuple[int, int, str]], np.ndarray]:
    """What prices one capability: the so manieth of how many, and its name."""
    texts = capability_texts(session.loaded.tokenizer)
    scoring = Scoring(method, session.inputs_for(method))

    def costs(capability: tuple[int, int, str]) -> np.ndarray:
        index, many, name = capability
        heard = stage(
            within(session.progress, index, many, name.replace("_", " ")), "capability", "Reading its text"
        )
        return capability_costs(session.model, session.groups, texts[name], scoring, levels, heard)

    return costs
