"""What the Optimize page's chart shows, as plain data: best plans over the whole range, baselines, marks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.allocation import baselines
from pruning.planning.allocation.choices import Bounds, ChoiceTable, map_choices, with_capability_weights
from pruning.planning.allocation.solver import front
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import ALL_KINDS, MAX_LEVEL, UNIT_KINDS, Plan
from pruning.ui.data import queries, requests, session
from pruning.ui.optimize.capability_weights import CapabilityWeights
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

POINTS = 40
BASELINE_SHARES = tuple(round(0.1 * step, 1) for step in range(1, 10))
PRESETS = ("guide", "protect_ends")  # presets on the chart
NAMES = {
    "uniform": "Uniform",
    "owl": "OWL",
    "greedy": "Greedy",
    **{name: labels.PRESET[name] for name in PRESETS},
    "unstructured": "Single weights alone",
    **{kind: f"{labels.kind(kind)} alone" for kind in UNIT_KINDS},
}


@dataclass(frozen=True)
class ChartPoint:
    """A plan that has a place on the chart: what it is called, and its forecast.

    `kind` is "baseline", "measured", "pin" or "plan"; `measured` are its measured figures, where there are
    any.
    """

    kind: str
    id: str
    name: str
    plan: Plan
    forecast: Forecast
    measured: Mapping[str, Any] | None = None


def choices_of(
    forecaster: Forecaster, bounds: Bounds | None = None, weights: CapabilityWeights | None = None
) -> ChoiceTable:
    """What the solver chooses from: the map's costs by the fit, with the capability weights in its aim."""
    choices = map_choices(forecaster, bounds)
    if weights is None:
        return choices
    return with_capability_weights(choices, forecaster, weights.capabilities, weights.values)


# The underscored arguments are not part of a cache's key: the texts before them stand for them.


def best_plans(
    forecaster: Forecaster, bounds: Bounds, weights: CapabilityWeights | None = None
) -> list[Plan]:
    """The plans of least forecast damage within the bounds, from the least to the most that can be pruned."""
    asked = _stamp(bounds) + (weights.stamp if weights else "")
    return _best_plans(_identity(forecaster), asked, forecaster, bounds, weights)


@st.cache_resource(max_entries=24, show_spinner="Finding the best plan for every budget …")
def _best_plans(
    identity: str,
    asked: str,
    _forecaster: Forecaster,
    _bounds: Bounds,
    _weights: CapabilityWeights | None,
) -> list[Plan]:
    choices = choices_of(_forecaster, _bounds, _weights)
    # First what floors and locks ask for and no more, which is nothing where there are none.
    least = choices.plan(choices.allowed.argmax(axis=1))
    return [least, *(solution.plan for solution in front(choices, POINTS))]


def baseline_plans(forecaster: Forecaster, outliers: Mapping[int, float] | None) -> dict[str, list[Plan]]:
    """What baselines prune at `BASELINE_SHARES`, by name; they know of no locks, floors or ceilings."""
    counted = json.dumps(sorted(outliers.items())) if outliers else ""
    return _baseline_plans(_identity(forecaster), counted, forecaster, outliers)


@st.cache_resource(max_entries=8, show_spinner="Asking other methods …")
def _baseline_plans(
    identity: str,
    counted: str,
    _forecaster: Forecaster,
    _outliers: Mapping[int, float] | None,
) -> dict[str, list[Plan]]:
    choices = choices_of(_forecaster)
    plans: dict[str, list[Plan]] = {name: [] for name in NAMES}
    for share in BASELINE_SHARES:
        for name, baseline in baselines.BASELINES.items():
            plans[name].append(baseline(choices, share))
        for name in PRESETS:
            plan = baselines.preset(choices, share, name)
            if plan is not None:
                plans[name].append(plan)
        if _outliers is not None:
            plans["owl"].append(baselines.owl(choices, share, _outliers))
    return {name: made for name, made in plans.items() if made}


def _identity(forecaster: Forecaster) -> str:
    smap = forecaster.smap
    content = [*smap.groups, *smap.levels, *smap.parameters.tolist(), *forecaster.weights]
    return hashlib.sha256(smap.cost.tobytes() + json.dumps(content).encode()).hexdigest()


def _stamp(bounds: Bounds) -> str:
    parts = [sorted(levels.items()) for levels in (bounds.locks, bounds.floor, bounds.ceiling)]
    return json.dumps([*parts, bounds.protect])


def baseline_points(
    forecaster: Forecaster, plans: Mapping[str, Sequence[Plan]]
) -> dict[str, list[ChartPoint]]:
    """The baselines' plans with their forecasts, by baseline."""
    points: dict[str, list[ChartPoint]] = {name: [] for name in plans}
    for name, made in plans.items():
        for index, plan in enumerate(made):
            forecast = forecaster.forecast(plan)
            label = f"{NAMES[name]}, {format.percent(forecast.sparsity)}"
            points[name].append(ChartPoint("baseline", f"{name}:{index}", label, plan, forecast))
    return points


def share_of(smap: SensitivityMap, plan: Plan) -> float:
    """The share of the prunable weights that a plan prunes; 0 for a plan of another model."""
    try:
        smap.levels_of(plan)
    except PruningError:
        return 0.0
    return sparsity(plan, dict(zip(smap.groups, smap.parameters.tolist(), strict=True)))


# ---- OWL's curve goes by outliers, which a job counts -----------------------------------------------


def ask_for_outliers(smap: SensitivityMap, busy: bool) -> None:
    """The button that counts outliers, where they are not counted yet."""
    if queries.outlier_shares(smap) is not None:
        return
    with st.popover("Add OWL's curve", icon=":material/add_chart:", key="optimize_owl"):
        st.write(
            "OWL takes less from layers with more outliers. To count them, the model reads the "
            "calibration text once."
        )
        request = requests.request("outliers", data=session.current().data)
        if st.button("Count them", key="optimize_count", disabled=busy):
            with page_frame.user_errors():
                requests.submit(request)
                st.rerun()
        st.caption("The same as a command:")
        page_frame.command_text(request)


# ---- for the browser --------------------------------------------------------------------------------


def board_data(
    forecaster: Forecaster,
    plans: Sequence[Plan],
    baselines: Mapping[str, Sequence[ChartPoint]],
    marks: Sequence[ChartPoint],
    fixed: Sequence[bool],
) -> dict[str, Any]:
    """Everything on the board that does not move with the slider; `id` changes when anything in it does."""
    smap = forecaster.smap
    value = {
        "layers": 1 + max(layer for layer, _ in smap.groups),
        "order": [kind for kind in ALL_KINDS if any(kind == other for _, other in smap.groups)],
        "labels": {kind: labels.kind(kind) for kind in ALL_KINDS},
        "short": labels.SHORT_KIND,
        "groups": [list(group) for group in smap.groups],
        "fixed": [bool(held) for held in fixed],
        "most": MAX_LEVEL,
        "dense": {"perplexity": smap.dense["perplexity"], "bytes": smap.dense["bytes"]},
        "scale": list(charts.SPARSITY),
        "scaleTitle": charts.SPARSITY_TITLE,
        "front": [place(forecaster, plan) for plan in plans],
        "rivals": [
            {"key": name, "name": NAMES[name], "points": [_point(point) for point in points]}
            for name, points in baselines.items()
        ],
        "marks": [_mark(point) for point in marks],
        "help": {"perplexity": labels.PERPLEXITY, "kl": labels.KL, "size": labels.SIZE},
    }
    return {"id": hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16], **value}


def place(forecaster: Forecaster, plan: Plan) -> dict[str, Any]:
    """A plan's forecast figures, and its levels as exactly as plans are written: who rounds twice errs."""
    levels = np.round(forecaster.smap.levels_of(plan), 6)
    return {**_figures(forecaster.forecast(plan)), "levels": levels.tolist()}


def _figures(forecast: Forecast) -> dict[str, float]:
    return {
        "share": round(forecast.sparsity, 6),
        "bytes": forecast.bytes,
        "kl": forecast.kl,
        "klLow": forecast.kl_low,
        "klHigh": forecast.kl_high,
        "perplexity": forecast.perplexity,
        "perplexityLow": forecast.perplexity_low,
        "perplexityHigh": forecast.perplexity_high,
    }


def _point(point: ChartPoint) -> dict[str, Any]:
    return {"id": point.id, "name": point.name, **_figures(point.forecast)}


def _mark(point: ChartPoint) -> dict[str, Any]:
    figures = point.measured
    measured = {name: figures[name] for name in ("kl", "perplexity", "bytes")} if figures else {}
    return {**_point(point), **measured, "what": point.kind, "measured": figures is not None}
