"""Taking the plan that was found: one press makes it the session's plan, another takes it back."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pruning.planning.recipe.plan import Plan, format_settings
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame

PAST, FUTURE = "optimize_past", "optimize_future"
KEPT = 50


def side(model: queries.Info, plan: Plan, busy: bool) -> None:
    """The buttons beside the board; `plan` is the one that was found, empty where there is none."""
    settings = format_settings(plan, model.groups)
    mine = tuple(settings) == session.current().settings
    st.button(
        "This is your plan" if mine and plan else "Use this plan",
        type="primary",
        icon=":material/check:",
        key="optimize_use",
        width="stretch",
        disabled=not plan or mine,
        on_click=take,
        args=(settings,),
        help="Makes it your plan, on Explore and on every page. No weight changes yet.",
    )
    with st.container(horizontal=True):
        _step("Undo", "undo", PAST, FUTURE)
        _step("Redo", "redo", FUTURE, PAST)
    choice = session.current()
    wanted = requests.request("measure", settings=settings, criterion=choice.criterion, data=choice.data)
    page_frame.submit_button(
        "Measure it",
        wanted if plan else None,
        icon=":material/straighten:",
        key="optimize_measure",
        width="stretch",
        disabled=busy,
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    )


def _step(label: str, icon: str, source: str, target: str) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=f"optimize_{icon}",
        width="stretch",
        disabled=not st.session_state.get(source),
        on_click=_move,
        args=(source, target),
    )


def take(settings: Sequence[str]) -> None:
    """Make this the session's plan, and remember the one before."""
    st.session_state[PAST] = [*st.session_state.get(PAST, []), session.current().settings][-KEPT:]
    st.session_state[FUTURE] = []
    session.change(settings=tuple(settings))


def _move(source: str, target: str) -> None:
    steps = list(st.session_state[source])
    st.session_state[target] = [*st.session_state.get(target, []), session.current().settings]
    session.change(settings=steps.pop())
    st.session_state[source] = steps
