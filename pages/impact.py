"""Impact: what the guide claims of each technique, beside what it does to this model on this machine."""

from pruning.ui.data import queries
from pruning.ui.impact import page as impact_view
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Impact",
    "What the guide claims of each technique, and what it really does to your model on your machine.",
    model,
)
page_frame.callback_error()
opened.banner("impact")
busy = jobs.panel(("impact", "export"))
model = page_frame.require_model()
if model:
    impact_view.page(model, busy)
