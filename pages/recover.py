"""Recover: train what pruning left, find how far a model can be pruned, and look for lottery tickets."""

from pruning.ui.data import queries as services
from pruning.ui.recover import page as recover_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
shell.heading(
    "Recover",
    "Train what pruning left, and win quality back. What was removed stays zero.",
    model,
)
shell.complaint()
busy = jobs_view.panel(recover_view.TASKS)
model = shell.needs_model()
if model:
    recover_view.page(model, busy)
