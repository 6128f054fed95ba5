"""Runs: everything that was made in this workspace, to find again, compare, take up and clear away."""

from pruning.ui.data import queries
from pruning.ui.runs import page as runs_view
from pruning.ui.shared import jobs, opened
from pruning.ui.shared import page as page_frame
from pruning.workspace.task_registry import BY_NAME

page_frame.begin()
page_frame.heading(
    "Runs",
    "Everything made in this workspace, newest first. It is still here after a restart.",
    queries.info(),
)
page_frame.callback_error()
busy = jobs.panel(tuple(BY_NAME))
opened.way_back()
runs_view.page(busy)
runs_view.storage()
