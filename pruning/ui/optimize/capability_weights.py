"""What matters to the user beside the text: a weight for each capability, and what they bring and cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st

from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.capability_map import ABILITIES, CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

MOST, STEP = 5.0, 0.5


@dataclass(frozen=True, eq=False)
class CapabilityWeights:
    """Weights above 0 by capability, with the map of what each is sensitive to."""

    values: dict[str, float]
    capabilities: CapabilityMap

    @cached_property
    def stamp(self) -> str:
        """Changes with the weights and with the costs that they weight."""
        content = [
            sorted(self.values.items()),
            *(self.capabilities.costs[name].tolist() for name in self.values),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def chosen(smap: SensitivityMap) -> CapabilityWeights | None:
    """What the sliders say; None where nothing matters more, or no capability map is there."""
    values = {name: float(st.session_state.get(_key(name)) or 0.0) for name in ABILITIES}
    capabilities = queries.capability_map(smap) if any(values.values()) else None
    if capabilities is None:
        return None
    values = {name: value for name, value in values.items() if value > 0 and name in capabilities.costs}
    return CapabilityWeights(values, capabilities) if values else None


def _key(name: str) -> str:
    return f"optimize_value_{name}"


def section(smap: SensitivityMap, busy: bool) -> None:
    """A slider for each capability, or the button that works out what they lean on."""
    capabilities = queries.capability_map(smap)
    if capabilities is None or set(capabilities.costs) < set(ABILITIES):
        st.caption("Plans can spare what an ability leans on, once that is worked out. It takes a while.")
        request = requests.capability_map_request()
        page_frame.submit_button(
            "Find out what they lean on",
            request,
            icon=":material/psychology:",
            key="optimize_leanings",
            disabled=busy,
            width="stretch",
        )
    if capabilities is None:
        return
    st.caption(
        "0: no more than the rest. 1: what this ability is forecast to lose counts as much as the drift on "
        "ordinary text. 3: three times as much."
    )
    for name in capabilities.costs:
        st.session_state.setdefault(_key(name), 0.0)
        st.slider(
            labels.capability(name),
            0.0,
            MOST,
            step=STEP,
            key=_key(name),
            format="%g",
            **session.PERSIST,
        )
    page_frame.link("sensitivity", "What they lean on")


def verdict(
    weights: CapabilityWeights,
    choices: ChoiceTable,
    targets: Sequence[Target],
    plan: Plan,
    forecaster: Forecaster,
) -> str:
    """What the weights bring and cost, beside the plan for the same targets without them."""
    plain = solve(replace(choices, aim=None), targets, forecaster)

    def change(smap: SensitivityMap) -> float:
        """How the KL forecast from a map changes from the plan without weights to this one."""
        forecasts = Forecaster(smap, forecaster.fit)
        before, after = (forecasts.forecast(one).kl for one in (plain.plan, plan))
        return after / max(before, 1e-12) - 1

    losses = [
        f"{labels.capability(name).lower()} "
        f"{_changed(change(weights.capabilities.as_map(forecaster.smap.of_weights, name)), 'loses')}"
        for name in weights.values
    ]
    *first, last = losses
    listed = f"{', '.join(first)} and {last}" if first else last
    listed = listed[0].upper() + listed[1:]
    return (
        f"{labels.FORECAST} {listed} than with the best plan that minds ordinary text alone. "
        f"The KL on that text {_changed(change(forecaster.smap), 'is', 'lower', 'higher')}."
    )


def _changed(share: float, verb: str, less: str = "less", more: str = "more") -> str:
    return f"{verb} **{format.percent(abs(share))} {less if share < 0 else more}**"
