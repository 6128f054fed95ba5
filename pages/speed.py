"""Speed: how fast and how large the model is here, without some of it, and on another device."""

from pruning.ui.data import queries
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame
from pruning.ui.speed import page as speed_view

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Speed",
    "How fast and how large your model is, here and elsewhere, and what removing parts of it changes.",
    model,
)
page_frame.callback_error()
opened.banner("speed")
busy = jobs.panel(("latency",))
model = page_frame.require_model()
if model:
    speed_view.page(model, busy)
