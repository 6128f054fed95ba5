"""Present: what a plan does, for people who know nothing of machine learning, on a page or as a file."""

from pruning.ui.data import queries as services
from pruning.ui.explore import page as explore_view
from pruning.ui.present import page as present_view
from pruning.ui.shared import jobs as jobs_view
from pruning.ui.shared import page as shell

shell.begin()
model = services.info()
table = services.the_map(model) if model else None
full = present_view.full_screen()
busy = False
if not full:
    shell.heading(
        "Present", "What your plan does, in words for everybody. Show it, send it or print it.", model
    )
    shell.complaint()
    busy = jobs_view.panel(("generate",))
model = shell.needs_model()
if model and table is None:
    shell.empty(
        "No map yet",
        "The figures on this page come from a sensitivity map, and this model has none for this criterion.",
        "sensitivity",
        "Draw the map",
    )
if model and table:
    plan = explore_view.current_plan(model)
    if plan:
        present_view.page(model, table, plan, full, busy)
    else:
        shell.empty(
            "Nothing to present yet",
            "Set a plan on Explore first. This page then says in plain words what it does.",
            "explore",
            "Go to Explore",
        )
