"""Recover: train what pruning left, find how far a model can be pruned, and look for lottery tickets."""

from pruning.ui.data import queries
from pruning.ui.recover import page as recover_view
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Recover",
    "Train what pruning left, and win quality back. What was removed stays zero.",
    model,
)
page_frame.callback_error()
opened.banner("recover")
busy = jobs.panel(recover_view.TASKS)
model = page_frame.require_model()
if model:
    recover_view.page(model, busy)
