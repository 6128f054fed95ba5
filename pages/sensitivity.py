"""Sensitivity: what removing weights would cost in every layer and group, forecast and measured."""

from pruning.ui import capability_view, jobs_view, map_table, sensitivity_view, services, shell

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
