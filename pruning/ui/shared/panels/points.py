"""Plans as points of quality against size, time and memory: every figure with where it comes from.

The front of best plans, presets, the unpruned model, the session's plan, and what was measured or pinned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.allocation.choices import map_choices
from pruning.planning.allocation.even_plans import even_front
from pruning.planning.allocation.mixed.choices import mixed_choices
from pruning.planning.allocation.mixed.savings import BYTES, Machine
from pruning.planning.allocation.mixed.solver import solve_mixed
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.cost.plan_cost import PlanCost
from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.recipe.mix import settable
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.presets import preset_plan
from pruning.ui.data import queries
from pruning.ui.data.costs import CostModel
from pruning.ui.shared.pins import pinned_forecasts
from pruning.ui.shared.plan import CurrentPlan
from pruning.ui.text import format, labels
from pruning.ui.text import panels as words

MEASURED, FORECAST, ESTIMATE = "measured", "forecast", "estimate"
QUALITIES = ("accuracy", "agreement", "perplexity", "kl")
COSTS = ("size", "compact", "prefill", "decode", "memory")
DENSE, BEST, PRESET, SEEN, PIN, HERE = "dense", "front", "preset", "measured", "pin", "plan"
# How much of a compact file the front of units and weights leaves.
COMPACT_SHARES = (0.97, 0.94, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
# Levels of single weights that a front chooses from: coarser than Optimize's, and as many times quicker.
LEVELS = tuple(round(0.05 * step, 2) for step in range(20))
# Of all prunable weights; beyond, plans are broken.
BEST_SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
PRESETS = ("uniform", "guide", "protect_ends")
PRESET_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)
MOST_MEASURED = 60


@dataclass(frozen=True)
class Figure:
    """A number of a plan. `source`: measured, forecast or estimate. `low`, `high`: a forecast's band."""

    value: float
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class PlanPoint:
    """A plan with its figures.

    `kind` is one of DENSE, BEST, PRESET, SEEN, PIN and HERE, `series` what the legend calls it. `figures` has
    all of `QUALITIES` (shares are 0..1) and of `COSTS`: bytes, and milliseconds; where the unpruned model's
    times are not known here `relative` says that times are shares of them.
    """

    kind: str
    id: str
    name: str
    series: str
    plan: Plan
    figures: Mapping[str, Figure]
    relative: bool = False


@dataclass(frozen=True)
class Name:
    """What a point is: its kind and id, what it says of itself, and the series that it belongs to."""

    kind: str
    id: str
    said: str
    series: str = ""


# What is to become a point; the last are measured figures.
Placing = tuple[Name, Plan, Mapping[str, Any] | None]


def point(
    name: Name, plan: Plan, forecast: Forecast, cost: PlanCost, measured: Mapping[str, Any] | None = None
) -> PlanPoint:
    """The point of a plan, by its forecast and its cost; `measured` are its measured figures if any."""
    figures = _qualities(plan, forecast, measured) | _times(plan, cost)
    figures["size"] = Figure(cost.file_bytes, FORECAST if plan else MEASURED)
    figures["compact"] = Figure(cost.compact_bytes, FORECAST if plan else MEASURED)
    if measured is not None:
        written = file_bytes(measured)
        figures["size"] = Figure(written, MEASURED)
        figures["compact"] = Figure(compact_bytes(measured) or written, MEASURED)
    figures["memory"] = Figure(cost.memory_bytes, ESTIMATE)
    series = name.series or words.KIND[name.kind]
    return PlanPoint(name.kind, name.id, name.said, series, plan, figures, cost.decode_ms is None)


def _qualities(plan: Plan, forecast: Forecast, measured: Mapping[str, Any] | None) -> dict[str, Figure]:
    if measured is not None:
        return {name: Figure(float(measured[name]), MEASURED) for name in QUALITIES}
    if not plan:
        return {name: Figure(getattr(forecast, name), MEASURED) for name in QUALITIES}
    return {
        name: Figure(
            getattr(forecast, name),
            FORECAST,
            getattr(forecast, f"{name}_low"),
            getattr(forecast, f"{name}_high"),
        )
        for name in QUALITIES
    }


def _times(plan: Plan, cost: PlanCost) -> dict[str, Figure]:
    times = {}
    for mode, ms, speedup in (
        ("prefill", cost.prefill_ms, cost.prefill_speedup),
        ("decode", cost.decode_ms, cost.decode_speedup),
    ):
        if ms is None:
            times[mode] = Figure(1 / speedup, ESTIMATE)
        else:
            times[mode] = Figure(ms, MEASURED if not plan else FORECAST if cost.timed else ESTIMATE)
    return times


# ---- which plans ------------------------------------------------------------------------------------


# The underscored arguments are not part of a cache's key: the texts before them stand for them.


def standing_points(
    forecaster: Forecaster,
    measurements: Sequence[queries.Measured],
    costs: CostModel,
    size: str = "size",
) -> list[PlanPoint]:
    """Points that stay while the session's plan changes: front, presets, unpruned and measured plans.

    `size` says which size the front saves: "size" or "compact".
    """
    seen = [(row.settings, row.figures["kl"]) for row in measurements]
    stamp = json.dumps([_identity(forecaster), repr(forecaster.fit), costs.stamp, seen])
    return _standing_points(stamp, size, forecaster, measurements, costs)


@st.cache_resource(max_entries=8, show_spinner="Finding the best plans …")
def _standing_points(
    stamp: str,
    size: str,
    _forecaster: Forecaster,
    _measurements: Sequence[queries.Measured],
    _costs: CostModel,
) -> list[PlanPoint]:
    every: list[Placing] = []
    for number, plan in enumerate(best_plans(_forecaster, _costs, size)):
        name = Name(BEST, f"{BEST}:{number}", words.best(_forecaster.forecast(plan).sparsity))
        every.append((name, plan, None))
    for preset, made in preset_plans(_forecaster).items():
        label = labels.PRESET[preset]
        for level, plan in made.items():
            name = Name(PRESET, f"{PRESET}:{preset}:{level}", f"{label}, {format.percent(level)}", label)
            every.append((name, plan, None))
    every.append((Name(DENSE, DENSE, words.KIND[DENSE]), {}, None))
    for row in _measurements[:MOST_MEASURED]:
        if row.plan:
            name = Name(SEEN, f"{SEEN}:{row.settings}", words.short(row.settings))
            every.append((name, row.plan, row.figures))
    return placed(every, _forecaster, _costs)


def own_points(
    forecaster: Forecaster,
    measurements: Sequence[queries.Measured],
    costs: CostModel,
    current: CurrentPlan,
) -> list[PlanPoint]:
    """The session's points: pinned plans, and its plan."""
    every: list[Placing] = [
        (Name(PIN, f"{PIN}:{name}", name), plan, queries.measured(plan, measurements))
        for name, plan, _ in pinned_forecasts(forecaster)
    ]
    if current.plan:
        every.append((Name(HERE, HERE, words.KIND[HERE]), current.plan, current.measured))
    return placed(every, forecaster, costs)


def placed(every: Sequence[Placing], forecaster: Forecaster, costs: CostModel) -> list[PlanPoint]:
    """The points of all plans that this model can have."""
    made = []
    for name, plan, measured in every:
        with suppress(PruningError):
            made.append(point(name, plan, forecaster.forecast(plan), costs.written(plan), measured))
    return made


def best_plans(forecaster: Forecaster, costs: CostModel, size: str) -> list[Plan]:
    """The plans of least forecast damage, from little saved to much.

    For the model folder those that the usual format holds, for a compact file those of units and weights
    together; of a map without units those of single weights, by the share that goes.
    """
    if not forecaster.smap.mix.units.any():
        return _of_weights(forecaster)
    if size == "size":
        return even_front(forecaster, costs.parts)
    machine = Machine(costs.parts, costs.latency, costs.dense_ms)
    choices = mixed_choices(forecaster, machine, levels=LEVELS)
    plans = []
    for share in COMPACT_SHARES:
        with suppress(PruningError):
            targets = [Target(BYTES, share * choices.dense[BYTES])]
            plans.append(solve_mixed(choices, targets, forecaster).plan)
    return plans


def _of_weights(forecaster: Forecaster) -> list[Plan]:
    choices, plans = map_choices(forecaster), []
    for share in BEST_SHARES:
        with suppress(PruningError):
            plans.append(solve(choices, [Target("sparsity", share)], forecaster).plan)
    return plans


def preset_plans(forecaster: Forecaster) -> dict[str, dict[float, Plan]]:
    """What presets make of an overall level, by preset and level."""
    smap, made = forecaster.smap, {}
    for name in PRESETS:
        plans = {
            level: settable(preset_plan(name, level, smap.groups), smap.unit_totals)
            for level in PRESET_LEVELS
        }
        made[name] = {level: plan for level, plan in plans.items() if plan}
    return made


def _identity(forecaster: Forecaster) -> str:
    smap = forecaster.smap
    content = [*smap.groups, *smap.levels, *smap.parameters.tolist(), *forecaster.weights]
    return hashlib.sha256(smap.cost.tobytes() + json.dumps(content).encode()).hexdigest()
