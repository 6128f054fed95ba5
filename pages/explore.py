"""Explore: move the sliders, see quality and size follow, measure the truth."""

from pruning.ui.data import queries as services
from pruning.ui.explore import calibration as teaching_view
from pruning.ui.explore import page as explore_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
table = services.the_map(model) if model else None
shell.heading(
    "Explore",
    "Move a fader or paint a curve and see what it would cost. Nothing changes until you measure or export.",
    model,
    *(("export", "Export") if table else ()),
)
shell.complaint()
busy = jobs_view.panel(teaching_view.TASKS, teaching_view.newly(model, table))
model = shell.needs_model()
if model and table is None:
    shell.empty(
        "No map yet",
        "The forecasts on this page come from a sensitivity map, and this model has none for this criterion.",
        "sensitivity",
        "Draw the map",
    )
if model and table:
    explore_view.page(model, table, busy)
