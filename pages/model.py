"""Model: choose and load one, see what it is made of, and how good it is before anything is pruned."""

from pruning.ui import model as model_view
from pruning.ui.data import queries as services
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
shell.heading(
    "Model",
    "Choose a transformer, see what it is made of and how good it is before anything is removed.",
    model,
    "sensitivity" if model else None,
    "Sensitivity",
    main=model is not None and services.baseline(model) is not None,
)
shell.complaint()
busy = jobs_view.panel(("inspect", "baseline"))
model_view.chooser(model, busy)
if model:
    model_view.baseline(model, busy)
    model_view.made_of(model)
