"""One press that makes the plan better: the same saving with less damage, by forecast."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from pruning.planning.allocation.mixed.improve import Improvement, Kept, improve
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.cost.parts import parts_of
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import Group, Plan, format_settings
from pruning.ui.data import costs, queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import format, labels

DONE = "improve_done"
KEEP = "improve_keep"
KEEPS: Mapping[Kept, str] = {
    "size": "its size",
    "decode": "its speed, writing",
    "prefill": "its speed, reading",
}


def section(model: queries.Info, forecaster: Forecaster, current: CurrentPlan) -> None:
    """The button, what is to stay as it is, and what the last press brought."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Improve this plan",
            icon=":material/auto_fix_high:",
            key="improve",
            disabled=not current.plan,
            on_click=page_frame.on_click,
            args=(partial(_improve, model, forecaster, current.plan),),
            help="Finds the plan that saves as much and is forecast to do the least damage. What is locked "
            "stays. Undo takes it back.",
        )
        # Zeros bring no speed: without whole units there is none to keep.
        keeps = list(KEEPS) if unit_part(current.plan) else ["size"]
        if st.session_state.get(KEEP) not in keeps:
            st.session_state.pop(KEEP, None)
        st.selectbox("Keep", keeps, format_func=KEEPS.__getitem__, key=KEEP, width=220)
    done = st.session_state.get(DONE)
    if done is not None and done[0] == current.text:
        st.markdown(done[1])


def _improve(model: queries.Info, forecaster: Forecaster, plan: Plan) -> None:
    """Take the better plan, and remember what it brought."""
    keep: Kept = st.session_state.get(KEEP) or "size"
    groups = list(forecaster.smap.groups)
    machine = Machine(parts_of(model.facts), costs.latency_of(model), costs.dense_ms(model))
    made = improve(plan, forecaster, machine, _locked(groups, plan), keep)
    session.set_plan(made.plan, groups)
    st.session_state[DONE] = (",".join(format_settings(made.plan, groups)), _said(made, keep))


def _locked(groups: list[Group], plan: Plan) -> dict[Group, float]:
    """What the session's locks hold: kinds, and layers by their number."""
    locks = set(session.current().locks)
    return {group: plan.get(group, 0.0) for group in groups if group[1] in locks or str(group[0]) in locks}


def _said(made: Improvement, keep: Kept) -> str:
    if not made.found:
        return f"No plan that keeps {KEEPS[keep]} is forecast to do less damage: this one is as good as any."
    return (
        f"{labels.FORECAST} KL {_band(made.before)} → **{_band(made.after)}** nats per token, "
        f"{format.percent(made.saved)} less, and the plan keeps {KEEPS[keep]}."
    )


def _band(forecast: Forecast) -> str:
    low, high = format.kl(forecast.kl_low), format.kl(forecast.kl_high)
    return f"{format.kl(forecast.kl)} ({low} – {high})"
