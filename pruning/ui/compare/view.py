"""Pinned plans: their figures, where they hurt, and what they answer."""

from __future__ import annotations

from pruning.ui.compare import answers, page
from pruning.ui.data import gallery, queries
from pruning.ui.shared import jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.shared.plan import session_plan


def view() -> None:
    """The session's plan and the pinned ones side by side, and what the unpruned model and each answer."""
    busy = jobs.panel(("generate", "map"))
    model = page_frame.require_model()
    if not _own(model, busy):
        elsewhere.card("What pruned models answer", lambda: answers.of_gallery(gallery.answers()))


def _own(model: queries.Info | None, busy: bool) -> bool:
    """Draw the session's plans; False where there is nothing of them to see."""
    smap = queries.mixed_map(model) if model else None
    if model and missing_map.require_map(smap, "The forecasts on this page come from", busy):
        measurements = queries.measurements(model, smap)
        forecaster = queries.forecaster(smap, measurements)
        shown = page.candidates(model, session_plan(smap.groups), forecaster)
        if not shown:
            page.nothing_yet()
            return False
        page.figures(model, smap, shown, measurements)
        page.damage(shown, forecaster)
        answers.answers(model, smap, shown, busy)
        return True
    return False
