"""Taking the plan that was found: one press makes it the session's plan, another takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pruning.ui.data import requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import CurrentPlan


def side(current: CurrentPlan | None, solving: dict[str, Any] | None, busy: bool) -> None:
    """The buttons beside the board; None where no plan was found. `solving` is the request that finds it."""
    settings = current.settings if current else ()
    mine = settings == session.current().settings
    with page_frame.action_row():
        st.button(
            "This is your plan" if mine and settings else "Use this plan",
            type="primary",
            icon=":material/check:",
            key="optimize_use",
            width="stretch",
            disabled=not settings or mine,
            on_click=session.set_settings,
            args=(settings,),
            help="Makes it your plan, on every page. No weight changes yet.",
        )
        if solving is not None:
            page_frame.command(solving)
    with st.container(horizontal=True):
        _step("Undo", "undo", session.undo, not session.history().past)
        _step("Redo", "redo", session.redo, not session.history().future)
    choice = session.current()
    request = requests.request(
        "measure", settings=list(settings), criterion=choice.criterion, data=choice.data
    )
    page_frame.submit_button(
        "Measure it",
        request if settings else None,
        icon=":material/straighten:",
        key="optimize_measure",
        width="stretch",
        disabled=busy,
        help="Prunes in memory, measures on real text and questions, and puts every weight back.",
    )


def _step(label: str, icon: str, step: Callable[[], None], disabled: bool) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=f"optimize_{icon}",
        width="stretch",
        disabled=disabled,
        on_click=step,
    )
