"""Explore: move the sliders, see quality and size follow, measure the truth."""

from pruning.ui.data import queries
from pruning.ui.explore import calibration as teaching_view
from pruning.ui.explore import page as explore_view
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
smap = queries.sensitivity_map(model) if model else None
page_frame.heading(
    "Explore",
    "Move a fader or paint a curve and see what it would cost. Nothing changes until you measure or export.",
    model,
    *(("export", "Export") if smap else ()),
)
page_frame.callback_error()
opened.banner("explore")
busy = jobs.panel(teaching_view.TASKS, teaching_view.newly(model, smap))
model = page_frame.require_model()
if model and page_frame.require_map(smap, "The forecasts on this page come from"):
    explore_view.page(model, smap, busy)
