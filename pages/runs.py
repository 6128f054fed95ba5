"""Runs: everything that was made in this workspace, to find again, compare, take up and clear away."""

from pruning.ui.data import queries as services
from pruning.ui.runs import page as runs_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell
from pruning.workspace.task_registry import BY_NAME

shell.begin()
shell.heading(
    "Runs",
    "Everything made in this workspace, newest first. It is still here after a restart.",
    services.info(),
)
shell.complaint()
busy = jobs_view.panel(tuple(BY_NAME))
runs_view.page(busy)
runs_view.storage()
