"""Sensitivity: what removing weights would cost in every layer and group, forecast and measured."""

from pruning.ui.data import queries
from pruning.ui.sensitivity import capabilities as capability_view
from pruning.ui.sensitivity import page as sensitivity_view
from pruning.ui.sensitivity import table as map_table
from pruning.ui.shared import jobs, missing_map, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
smap = queries.sensitivity_map(model) if model else None
page_frame.heading(
    "Sensitivity",
    "Which parts of the model can lose weights, and which cannot. Dark cells are the delicate ones.",
    model,
    *(("explore", "Explore") if smap else ()),
)
page_frame.callback_error()
opened.banner("sensitivity")
busy = jobs.panel(("map", "sweep", "capabilities"))
model = page_frame.require_model()
if model:
    # A new criterion empties nothing: until its map is there, that of another stays in view.
    other = None if smap else queries.other_map(model)
    if other:
        missing_map.note(other, sensitivity_view.KEPT, busy)
    elif smap is None:
        sensitivity_view.first_map(model, busy)
    if smap:
        sensitivity_view.board(model, smap, busy)
        capability_view.section(smap, busy)
        map_table.section(model, smap)
    elif other:
        sensitivity_view.board(model, other.of_weights, busy)
