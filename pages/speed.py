"""Speed: how fast and how large the model is here, without some of it, and on another device."""

from pruning.ui.data import queries as services
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell
from pruning.ui.speed import page as speed_view

shell.begin()
model = services.info()
shell.heading(
    "Speed",
    "How fast and how large your model is, here and elsewhere, and what removing parts of it changes.",
    model,
)
shell.complaint()
busy = jobs_view.panel(("latency",))
model = shell.needs_model()
if model:
    speed_view.page(model, busy)
