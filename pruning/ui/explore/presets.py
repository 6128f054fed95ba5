"""Presets on the Explore page: ready plans with their numbers in view, to change and to take."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import settable
from pruning.planning.recipe.plan import EXCLUSIVE, LAYERS, MAX_LEVEL, Group, Plan, format_settings
from pruning.planning.recipe.presets import PRESETS, Number, preset_plan
from pruning.ui.data import queries, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import labels


def popover(model: queries.Info, smap: SensitivityMap, plan: Plan) -> None:
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
            now = round(20 * model.sparsity(plan)) * 5 or 30
            level = st.slider(
                "Overall level", 0, round(100 * MAX_LEVEL), now, 5, format="%d %%", key="preset_level"
            )
            chosen = PRESETS[str(name)]
            numbers = {key: _number(str(name), key, number) for key, number in chosen.numbers.items()}
            with page_frame.user_errors():
                ready = preset_plan(str(name), level / 100, smap.groups, **numbers)
                made = _unlocked(settable(ready, smap.unit_totals), plan, smap.groups)
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


def _unlocked(made: Plan, plan: Plan, groups: Sequence[Group]) -> Plan:
    """The new plan where nothing is locked, the old one elsewhere.

    In a layer that a lock keeps gone nothing is set, nor heads beside locked KV groups.
    """
    locks = set(session.current().locks)
    kept = {group for group in groups if group[1] in locks or str(group[0]) in locks}
    mixed = {group: (plan if group in kept else made).get(group, 0.0) for group in groups}
    held = {group for group in kept if mixed[group] > 0}
    rivals = {(layer, rival) for layer, kind in held for rival in EXCLUSIVE if kind in {*EXCLUSIVE} - {rival}}
    gone = {layer for layer, kind in held if kind == LAYERS}
    return {
        group: level
        for group, level in mixed.items()
        if level > 0 and group not in rivals and (group[0] not in gone or group[1] == LAYERS)
    }
