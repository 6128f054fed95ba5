"""Sensitivity: what removing weights would cost in every layer and group, forecast and measured."""

from pruning.ui.data import queries as services
from pruning.ui.sensitivity import capabilities as capability_view
from pruning.ui.sensitivity import page as sensitivity_view
from pruning.ui.sensitivity import table as map_table
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
table = services.the_map(model) if model else None
shell.heading(
    "Sensitivity",
    "Which parts of the model can lose weights, and which cannot. Bright cells are the delicate ones.",
    model,
    *(("explore", "Explore") if table else ()),
)
shell.complaint()
busy = jobs_view.panel(("map", "sweep", "capabilities"))
model = shell.needs_model()
if model:
    sensitivity_view.criterion(model, table, busy)
    if table:
        sensitivity_view.board(model, table, busy)
        capability_view.section(table, busy)
        map_table.section(model, table)
