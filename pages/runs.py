"""Runs: everything that was made in this workspace, to find again, compare, take up and clear away."""

from pruning.ui import jobs_view, runs_view, services, shell, words

shell.begin()
shell.heading(
    "Runs",
    "Everything made in this workspace, newest first. It is still here after a restart.",
    services.info(),
)
shell.complaint()
busy = jobs_view.panel(tuple(words.TASK))
runs_view.page(busy)
runs_view.storage()
