"""Optimize: say what is wanted, and take the plan that is forecast to hurt least."""

from pruning.ui.data import queries as services
from pruning.ui.optimize import page as optimize_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
table = services.the_map(model) if model else None
shell.heading(
    "Optimize",
    "Say how much may go, or what must hold. The solver finds the plan that is forecast to hurt least.",
    model,
    *(("explore", "Explore") if table else ()),
)
shell.complaint()
busy = jobs_view.panel(optimize_view.TASKS)
model = shell.needs_model()
if model and table is None:
    shell.empty(
        "No map yet",
        "The solver works on a sensitivity map, and this model has none for this criterion.",
        "sensitivity",
        "Draw the map",
    )
if model and table:
    optimize_view.page(model, table, busy)
