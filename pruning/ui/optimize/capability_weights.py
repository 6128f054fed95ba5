"""What matters to the user beside the text: a value for each capability, and what minding them brings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st

from pruning.planning.allocation.choices import ChoiceTable, with_capability_weights
from pruning.planning.allocation.solver import Solution, Target, solve
from pruning.planning.forecast.capability_map import ABILITIES, CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries as services
from pruning.ui.sensitivity import capabilities as capability_view
from pruning.ui.sensitivity import capability_chart
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words

MOST, STEP = 5.0, 0.5


@dataclass(frozen=True, eq=False)
class Minded:
    """Values above 0 by capability, and what each leans on."""

    values: dict[str, float]
    known: CapabilityMap

    @cached_property
    def stamp(self) -> str:
        """Changes with the values and with what is known."""
        told = [sorted(self.values.items()), *(self.known.costs[name].tolist() for name in self.values)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def minded(smap: SensitivityMap) -> Minded | None:
    """What the sliders say; None where nothing matters more, or it is not known what it leans on."""
    values = {name: float(st.session_state.get(_key(name)) or 0.0) for name in ABILITIES}
    known = services.leanings(smap) if any(values.values()) else None
    if known is None:
        return None
    values = {name: value for name, value in values.items() if value > 0 and name in known.costs}
    return Minded(values, known) if values else None


def _key(name: str) -> str:
    return f"optimize_value_{name}"


def section(smap: SensitivityMap, busy: bool) -> None:
    """A slider for each capability, or the button that works out what they lean on."""
    known = services.leanings(smap)
    if known is None or set(known.costs) < set(ABILITIES):
        st.caption("Plans can spare what an ability leans on, once that is worked out. It takes a while.")
        wanted = capability_view.request()
        shell.ask(
            "Find out what they lean on",
            wanted,
            icon=":material/psychology:",
            key="optimize_leanings",
            disabled=busy,
            width="stretch",
        )
        shell.command(wanted)
    if known is None:
        return
    st.caption(
        "0: no more than the rest. 1: what this ability is forecast to lose counts as much as the drift on "
        "ordinary text. 3: three times as much."
    )
    for name in known.costs:
        st.session_state.setdefault(_key(name), 0.0)
        st.slider(
            capability_chart.title(name),
            0.0,
            MOST,
            step=STEP,
            key=_key(name),
            format="%g",
            persist_state="session",
        )
    shell.link("sensitivity", "What they lean on")


def with_values(
    menu: ChoiceTable, smap: SensitivityMap, calibration: ForecastFit, given: Minded | None
) -> ChoiceTable:
    """The menu with what matters taken into account."""
    if given is None:
        return menu
    return with_capability_weights(menu, Forecaster(smap, calibration), given.known, given.values)


def told(
    given: Minded,
    menu: ChoiceTable,
    targets: Sequence[Target],
    found: Solution,
    smap: SensitivityMap,
    calibration: ForecastFit,
) -> str:
    """What minding the values brings and costs, beside the plan for the same wishes that minds none."""
    plain = solve(replace(menu, aim=None), targets, Forecaster(smap, calibration))

    def change(own: SensitivityMap) -> float:
        before, after = (_kl(own, plan, calibration) for plan in (plain.plan, found.plan))
        return after / max(before, 1e-12) - 1

    losses = [
        f"{capability_chart.title(name).lower()} {_changed(change(given.known.as_map(smap, name)), 'loses')}"
        for name in given.values
    ]
    *first, last = losses
    listed = f"{', '.join(first)} and {last}" if first else last
    listed = listed[0].upper() + listed[1:]
    return (
        f":blue-badge[forecast] {listed} than with the best plan that minds ordinary text alone. "
        f"The KL on that text {_changed(change(smap), 'is', 'lower', 'higher')}."
    )


def _changed(share: float, verb: str, less: str = "less", more: str = "more") -> str:
    return f"{verb} **{words.percent(abs(share))} {less if share < 0 else more}**"


def _kl(smap: SensitivityMap, plan: Plan, calibration: ForecastFit) -> float:
    return Forecaster(smap, calibration).forecast(plan).kl
