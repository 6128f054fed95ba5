"""Optimize: say what is wanted, and take the plan that is forecast to hurt least."""

from pruning.ui.data import queries
from pruning.ui.optimize import page as optimize_view
from pruning.ui.shared import jobs, missing_map, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
smap = queries.mixed_map(model) if model else None
page_frame.heading(
    "Optimize",
    "Say how much may go, or what must hold. The solver finds the plan that is forecast to hurt least.",
    model,
    *(("explore", "Explore") if smap else ()),
)
page_frame.callback_error()
opened.banner("optimize")
busy = jobs.panel((*optimize_view.TASKS, "map"))
model = page_frame.require_model()
if model and missing_map.require_map(smap, "The solver works on", busy):
    optimize_view.page(model, smap, busy)
