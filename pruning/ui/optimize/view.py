"""Auto: say what is wanted, and take the plan that is forecast to hurt least."""

from __future__ import annotations

from pruning.ui.data import queries
from pruning.ui.optimize import page as optimize_page
from pruning.ui.shared import jobs, missing_map
from pruning.ui.shared import page as page_frame


def view() -> None:
    """The solver over the map of the session's model, criterion and text."""
    busy = jobs.panel((*optimize_page.TASKS, "map"))
    model = page_frame.require_model()
    smap = queries.mixed_map(model) if model else None
    if model and missing_map.require_map(smap, "The solver works on", busy):
        optimize_page.page(model, smap, busy)
