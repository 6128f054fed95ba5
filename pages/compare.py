"""Compare: pinned plans side by side, and what the unpruned model and each plan answer."""

from pruning.ui.compare import answers as answers_view
from pruning.ui.compare import page as compare_view
from pruning.ui.data import queries
from pruning.ui.shared import jobs, missing_map, opened
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import session_plan

page_frame.begin()
model = queries.info()
smap = queries.mixed_map(model) if model else None
page_frame.heading(
    "Compare", "Plans side by side: their figures, where they hurt, and what they answer.", model
)
page_frame.callback_error()
opened.banner("compare")
busy = jobs.panel(("generate", "map"))
model = page_frame.require_model()
if model and missing_map.require_map(smap, "The forecasts on this page come from", busy):
    measurements = queries.measurements(model, smap)
    forecaster = queries.forecaster(smap, measurements)
    shown = compare_view.candidates(model, session_plan(smap.groups), forecaster)
    if shown:
        compare_view.figures(model, smap, shown, measurements)
        compare_view.damage(shown, forecaster)
        answers_view.answers(model, smap, shown, busy)
    else:
        compare_view.nothing_yet()
