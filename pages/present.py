"""Present: what a plan does, for people who know nothing of machine learning, on a page or as a file."""

from pruning.ui.data import queries
from pruning.ui.present import page as present_view
from pruning.ui.shared import jobs, missing_map, opened
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import session_plan

page_frame.begin()
model = queries.info()
smap = queries.mixed_map(model) if model else None
full = present_view.full_screen()
busy = False
if not full:
    page_frame.heading(
        "Present", "What your plan does, in words for everybody. Show it, send it or print it.", model
    )
    page_frame.callback_error()
    opened.banner("present")
    busy = jobs.panel(("generate", "map"))
model = page_frame.require_model()
if model and missing_map.require_map(smap, "The figures on this page come from", busy):
    plan = session_plan(smap.groups)
    if plan:
        present_view.page(model, smap, plan, full, busy)
    else:
        page_frame.empty(
            "Nothing to present yet",
            "Set a plan on Explore first. This page then says in plain words what it does.",
            "explore",
            "Go to Explore",
        )
