"""Methods: every way of pruning to try, measured on the same axes, and what can be done with a result."""

from pruning.ui.data import queries as services
from pruning.ui.methods import page as methods_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
shell.heading(
    "Methods",
    "Try any way of pruning. Each that you measure becomes a point beside all others.",
    model,
)
shell.complaint()
busy = jobs_view.panel(methods_view.TASKS)
model = shell.needs_model()
if model:
    methods_view.page(model, busy)
