"""Impact: what the guide claims of each technique, beside what it does to this model on this machine."""

from pruning.ui.data import queries as services
from pruning.ui.impact import page as impact_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
shell.heading(
    "Impact",
    "What the guide claims of each technique, and what it really does to your model on your machine.",
    model,
)
shell.complaint()
busy = jobs_view.panel(("impact", "export"))
model = shell.needs_model()
if model:
    impact_view.page(model, busy)
