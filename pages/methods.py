"""Methods: every way of pruning to try, measured on the same axes, and what can be done with a result."""

from pruning.ui.data import queries
from pruning.ui.methods import page as methods_view
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Methods",
    "Try any way of pruning. Each that you measure becomes a point beside all others.",
    model,
)
page_frame.callback_error()
opened.banner("methods")
busy = jobs.panel(methods_view.TASKS)
model = page_frame.require_model()
if model:
    methods_view.page(model, busy)
