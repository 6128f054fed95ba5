"""Explore: move the sliders, see quality and size follow, measure the truth."""

from pruning.ui.data import queries
from pruning.ui.explore import calibration as teaching_view
from pruning.ui.explore import page as explore_view
from pruning.ui.shared import jobs, missing_map, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
smap = queries.mixed_map(model) if model else None
page_frame.heading(
    "Explore",
    "Move a fader or paint a curve and see what it would cost. Nothing is written until you export.",
    model,
    *(("export", "Export") if smap else ()),
)
page_frame.callback_error()
opened.banner("explore")
busy = jobs.panel((*teaching_view.TASKS, "map", "latency"), teaching_view.newly(model, smap))
model = page_frame.require_model()
# A new criterion empties nothing: until its map is there, that of another stays in view.
shown = smap or (queries.other_map(model) if model else None)
if model and missing_map.require_map(shown, "The forecasts on this page come from", busy):
    explore_view.page(model, shown, busy)
