"""The row of lights: each form of export with its state, and for those that cannot be why, and a way out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.exports.model_facts import of_inspection
from pruning.planning.exports.targets import CANNOT, Light, Wanted, lights
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, session
from pruning.ui.shared.exports import nearest, words


def of_plan(model: queries.Info, plan: Plan, masked: bool = False) -> list[Light]:
    """The lights of a plan of the session's model, with its criterion.

    Raises PruningError for a plan that cannot be at all.
    """
    wanted = Wanted(of_inspection(model.facts), plan, criterion=session.current().criterion, masked=masked)
    return lights(wanted)


def row(model: queries.Info, plan: Plan, forecaster: Forecaster | None) -> None:
    """Draw the lights of a plan; of those that cannot be, one reason once and what would do."""
    shown: list[Light] = []
    with suppress(PruningError):
        shown = of_plan(model, plan) if plan else []
    if not shown:
        return
    with st.container(key="export_lights", gap="xsmall"):
        st.markdown(f"**Can be written as** {' '.join(map(words.badge, shown))}")
        groups = _by_reason(shown)
        # What gives the units up for zeros is another plan: it is there for who asks.
        near = [alike for alike in groups if alike[0].nearest and unit_part(alike[0].nearest.plan)]
        for alike in near:
            _reason(alike, model, plan, forecaster)
        if len(near) < len(groups):
            with st.popover("Why not the others?", type="tertiary", key="export_others"):
                for alike in (alike for alike in groups if alike not in near):
                    _reason(alike, model, plan, forecaster)


def _reason(alike: Sequence[Light], model: queries.Info, plan: Plan, forecaster: Forecaster | None) -> None:
    """Why some forms cannot be, and the plan that would do."""
    light, names = alike[0], " and ".join(words.FORM[light.target] for light in alike)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{words.sign(light)} **{names}.** {light.reason}", width="content")
        nearest.button(light, model, plan, forecaster)


def _by_reason(shown: Sequence[Light]) -> list[list[Light]]:
    """Those that cannot be, in groups that have their reason and their way out in common."""
    groups: dict[tuple[str, str], list[Light]] = {}
    for light in (light for light in shown if light.state == CANNOT):
        groups.setdefault((light.reason, light.nearest.changes if light.nearest else ""), []).append(light)
    return list(groups.values())
