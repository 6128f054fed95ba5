"""Export: the recipe to read and download, and the pruned model written, loaded again and checked."""

from pruning.ui import export as export_view
from pruning.ui.data import queries
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame

page_frame.begin()
model = queries.info()
page_frame.heading(
    "Export",
    "Write the pruned model to disk. It is loaded again and compared before it is called done.",
    model,
)
page_frame.callback_error()
opened.banner("export")
busy = jobs.panel(("export",))
model = page_frame.require_model()
if model:
    export_view.page(model, busy)
