"""Compare: pinned plans side by side, and what the unpruned model and each plan answer."""

from pruning.ui.compare import answers as answers_view
from pruning.ui.compare import page as compare_view
from pruning.ui.data import queries as services
from pruning.ui.explore import page as explore_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
table = services.the_map(model) if model else None
shell.heading("Compare", "Plans side by side: their figures, where they hurt, and what they answer.", model)
shell.complaint()
busy = jobs_view.panel(("generate",))
model = shell.needs_model()
if model and table is None:
    shell.empty(
        "No map yet",
        "The forecasts on this page come from a sensitivity map, and this model has none for this criterion.",
        "sensitivity",
        "Draw the map",
    )
if model and table:
    known = services.measurements(model, table)
    calibration = services.calibration(table, known)
    shown = compare_view.candidates(model, table, explore_view.current_plan(model), calibration)
    if shown:
        compare_view.figures(model, table, shown, known, calibration)
        compare_view.damage(table, shown, calibration)
        answers_view.answers(model, table, shown, busy)
    else:
        compare_view.nothing_yet()
