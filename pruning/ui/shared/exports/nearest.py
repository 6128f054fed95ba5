"""The press that takes the nearest plan which a form can be written of, and what that costs."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.exports.targets import Light
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.exports import words


def button(light: Light, model: queries.Info, plan: Plan, forecaster: Forecaster | None) -> None:
    """Take the nearest plan; nothing where no change of levels helps."""
    near = light.nearest
    if near is None:
        return
    cost = _cost(plan, near.plan, forecaster)
    st.button(
        "Take the nearest plan",
        icon=":material/my_location:",
        key=f"nearest_{light.target}",
        on_click=page_frame.on_click,
        args=(partial(session.set_plan, near.plan, model.groups),),
        help="The nearest plan that this form can be written of. Undo under Prune takes it back.",
    )
    said = " · ".join(filter(None, (near.changes, cost)))
    st.caption(f"{said[:1].upper()}{said[1:]}", width="content")


def _cost(plan: Plan, near: Plan, forecaster: Forecaster | None) -> str:
    """Forecast KL before and after; empty where there is no map, or it prices other kinds of groups."""
    if forecaster is None:
        return ""
    try:
        return words.kl_change(forecaster.forecast(plan).kl, forecaster.forecast(near).kl)
    except PruningError:
        return ""
