"""Model: choose and load one, see what it is made of, and how good it is before anything is pruned."""

from pruning.ui.data import queries
from pruning.ui.model import page as model_view
from pruning.ui.model import text_preview
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Model",
    "Choose a transformer, see what it is made of and how good it is before anything is removed.",
    model,
    "sensitivity" if model else None,
    "Sensitivity",
    main=model is not None and queries.baseline(model) is not None,
)
page_frame.callback_error()
opened.banner("model")
busy = jobs.panel(("inspect", "text", "baseline"))
model_view.chooser(model, busy)
if model:
    model_view.baseline(model, busy)
    text_preview.text(model, busy)
    model_view.made_of(model)
