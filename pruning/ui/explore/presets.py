"""Presets on the Explore page: ready plans with their numbers in view, to change and to take."""

from __future__ import annotations

import streamlit as st

from pruning.planning.recipe.plan import MAX_LEVEL, Plan, format_settings, sparsity
from pruning.planning.recipe.presets import PRESETS, Number, preset_plan
from pruning.ui.data import queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import labels


def popover(model: queries.Info, plan: Plan) -> None:
    """The presets with a line each, the chosen one's numbers, the overall level, and what plan that makes."""
    with st.popover("Presets", icon=":material/auto_awesome:", key="presets"):
        left, right = st.columns([3, 2], gap="medium")
        name = left.radio(
            "Preset",
            list(PRESETS),
            format_func=labels.PRESET.__getitem__,
            captions=[preset.description for preset in PRESETS.values()],
            key="preset",
        )
        with right:
            now = round(20 * sparsity(plan, model.parameters)) * 5 or 30
            level = st.slider(
                "Overall level", 0, round(100 * MAX_LEVEL), now, 5, format="%d %%", key="preset_level"
            )
            chosen = PRESETS[str(name)]
            numbers = {key: _number(str(name), key, number) for key, number in chosen.numbers.items()}
            with page_frame.user_errors():
                made = _unlocked(preset_plan(str(name), level / 100, model.groups, **numbers), plan, model)
                st.code(",".join(format_settings(made, model.groups)) or "nothing removed", wrap_lines=True)
                st.button(
                    "Use this preset",
                    type="primary",
                    key="preset_use",
                    on_click=session.set_plan,
                    args=(made, model.groups),
                )


def _number(name: str, key: str, number: Number) -> float:
    label, identity = labels.PRESET_NUMBER[key], f"preset_{name}_{key}"
    if number.whole:
        return st.number_input(label, int(number.low), int(number.high), int(number.default), key=identity)
    return st.number_input(label, number.low, number.high, number.default, 0.05, key=identity)


def _unlocked(made: Plan, plan: Plan, model: queries.Info) -> Plan:
    """The new plan where nothing is locked, the old one elsewhere."""
    locks = set(session.current().locks)
    kept = {group for group in model.groups if group[1] in locks or str(group[0]) in locks}
    mixed = {group: (plan if group in kept else made).get(group, 0.0) for group in model.groups}
    return {group: level for group, level in mixed.items() if level > 0}
