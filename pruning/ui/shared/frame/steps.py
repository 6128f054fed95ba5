"""Which steps are done for what the session holds, and which comes next."""

from __future__ import annotations

from pruning.ui.data import queries, session, written
from pruning.ui.shared.frame.places import ROAD


def done_steps() -> dict[str, bool]:
    """Which steps of the road are done for what the session holds now: this model, criterion and plan."""
    model = queries.info()
    if model is None:
        return dict.fromkeys(ROAD, False)
    mapped = queries.sensitivity_map(model) is not None
    return {
        "model": True,
        "sensitivity": mapped,
        "prune": mapped and bool(session.current().settings),
        "export": written.is_written(model),
    }


def next_step() -> str:
    """The place of the first step that is not done; the last where all are."""
    done = done_steps()
    return next((name for name in ROAD if not done[name]), ROAD[-1])
