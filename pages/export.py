"""Export: the recipe to read and download, and the pruned model written, loaded again and checked."""

from pruning.ui import export as export_view
from pruning.ui.data import queries as services
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
shell.heading(
    "Export",
    "Write the pruned model to disk. It is loaded again and compared before it is called done.",
    model,
)
shell.complaint()
busy = jobs_view.panel(("export",))
model = shell.needs_model()
if model:
    export_view.page(model, busy)
