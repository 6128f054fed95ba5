"""What the Optimize page shows, as plain data: the best plans over the whole range, rivals, marks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.allocation import baselines as rivals
from pruning.planning.allocation.choices import Bounds, ChoiceTable, map_choices
from pruning.planning.allocation.solver import front
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast, ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, Plan, sparsity
from pruning.ui.optimize.capability_weights import Minded, with_values
from pruning.ui.text import format as words

POINTS = 40
RIVAL_SHARES = tuple(round(0.1 * step, 1) for step in range(1, 10))
PRESETS = ("guide", "protect_ends")  # ready strategies on the chart
NAMES = {
    "uniform": "Uniform",
    "owl": "OWL",
    "greedy": "Greedy",
    **{name: words.STRATEGY[name] for name in PRESETS},
}


@dataclass(frozen=True)
class Shown:
    """A plan that has a place on the chart: what it is called, and its forecast."""

    id: str
    name: str
    plan: Plan
    seen: Forecast


def menu_of(
    smap: SensitivityMap,
    calibration: ForecastFit,
    bounds: Bounds | None = None,
    minded: Minded | None = None,
) -> ChoiceTable:
    """What the solver chooses from: the map's costs with what was learnt of each group, and what matters."""
    menu = map_choices(Forecaster(smap, calibration), bounds)
    return with_values(menu, smap, calibration, minded)


# The underscored arguments are not part of a cache's key: the texts before them stand for them.


def best_plans(
    smap: SensitivityMap, calibration: ForecastFit, bounds: Bounds, minded: Minded | None = None
) -> list[Plan]:
    """The plans of least forecast damage within the bounds, from the least to the most that can go."""
    held = _frozen(bounds) + (minded.stamp if minded else "")
    return _best_plans(_identity(smap, calibration), held, smap, calibration, bounds, minded)


@st.cache_resource(max_entries=24, show_spinner="Finding the best plan for every budget …")
def _best_plans(
    identity: str,
    held: str,
    _table: SensitivityMap,
    _calibration: ForecastFit,
    _bounds: Bounds,
    _minded: Minded | None,
) -> list[Plan]:
    menu = menu_of(_table, _calibration, _bounds, _minded)
    # First what floors and locks ask for and no more, which is nothing where there are none.
    return [menu.plan(menu.allowed.argmax(axis=1)), *(found.plan for found in front(menu, POINTS))]


def rival_plans(
    smap: SensitivityMap, calibration: ForecastFit, outliers: Mapping[int, float] | None
) -> dict[str, list[Plan]]:
    """What others would remove at `RIVAL_SHARES`, by name; they know of no locks, floors or ceilings."""
    told = json.dumps(sorted(outliers.items())) if outliers else ""
    return _rival_plans(_identity(smap, calibration), told, smap, calibration, outliers)


@st.cache_resource(max_entries=8, show_spinner="Asking other methods …")
def _rival_plans(
    identity: str,
    told: str,
    _table: SensitivityMap,
    _calibration: ForecastFit,
    _outliers: Mapping[int, float] | None,
) -> dict[str, list[Plan]]:
    menu = menu_of(_table, _calibration)
    found: dict[str, list[Plan]] = {name: [] for name in NAMES}
    for share in RIVAL_SHARES:
        for name, rival in rivals.BASELINES.items():
            found[name].append(rival(menu, share))
        for name in PRESETS:
            plan = rivals.preset(menu, share, name)
            if plan is not None:
                found[name].append(plan)
        if _outliers is not None:
            found["owl"].append(rivals.owl(menu, share, _outliers))
    return {name: plans for name, plans in found.items() if plans}


def _identity(smap: SensitivityMap, calibration: ForecastFit) -> str:
    told = [*smap.groups, *smap.levels, *smap.parameters.tolist(), *Forecaster(smap, calibration).weights]
    return hashlib.sha256(smap.cost.tobytes() + json.dumps(told).encode()).hexdigest()


def _frozen(bounds: Bounds) -> str:
    parts = [sorted(one.items()) for one in (bounds.locks, bounds.floor, bounds.ceiling)]
    return json.dumps([*parts, bounds.protect])


def shown(
    smap: SensitivityMap, calibration: ForecastFit, others: Mapping[str, Sequence[Plan]]
) -> dict[str, list[Shown]]:
    """Rival plans with their forecasts, by rival."""
    return {
        name: [
            Shown(f"{name}:{index}", f"{NAMES[name]}, {words.percent(seen.sparsity)}", plan, seen)
            for index, plan in enumerate(plans)
            for seen in [Forecaster(smap, calibration).forecast(plan)]
        ]
        for name, plans in others.items()
    }


def share_of(smap: SensitivityMap, plan: Plan) -> float:
    """The share of the prunable weights that a plan removes; 0 for a plan of another model."""
    try:
        smap.levels_of(plan)
    except PruningError:
        return 0.0
    return sparsity(plan, dict(zip(smap.groups, smap.parameters.tolist(), strict=True)))


# ---- for the browser --------------------------------------------------------------------------------


def board_data(
    smap: SensitivityMap,
    calibration: ForecastFit,
    plans: Sequence[Plan],
    others: Mapping[str, Sequence[Shown]],
    marks: Sequence[tuple[str, Shown, Mapping[str, Any] | None]],
    fixed: Sequence[bool],
) -> dict[str, Any]:
    """Everything on the board that does not move with the slider; `id` changes when anything in it does.

    `marks` are (what: "measured" or "pin" or "plan", the plan, its measured figures or None).
    """
    value = {
        "layers": 1 + max(layer for layer, _ in smap.groups),
        "order": [kind for kind in KINDS if any(kind == other for _, other in smap.groups)],
        "labels": {kind: words.kind(kind) for kind in KINDS},
        "short": words.SHORT_KIND,
        "groups": [list(group) for group in smap.groups],
        "fixed": [bool(one) for one in fixed],
        "most": MAX_LEVEL,
        "dense": {"perplexity": smap.dense["perplexity"], "bytes": smap.dense["bytes"]},
        "front": [place(smap, plan, Forecaster(smap, calibration).forecast(plan)) for plan in plans],
        "rivals": [
            {"key": name, "name": NAMES[name], "points": [_point(one) for one in own]}
            for name, own in others.items()
        ],
        "marks": [_mark(what, one, truth) for what, one, truth in marks],
        "help": {"perplexity": words.PERPLEXITY, "kl": words.KL, "size": words.SIZE},
    }
    return {"id": hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16], **value}


def place(smap: SensitivityMap, plan: Plan, seen: Forecast) -> dict[str, Any]:
    """A plan's forecast figures, and its levels in thousandths."""
    levels = np.rint(1000 * smap.levels_of(plan)).astype(int)
    return {**_figures(seen), "levels": levels.tolist()}


def _figures(seen: Forecast) -> dict[str, float]:
    return {
        "share": round(seen.sparsity, 6),
        "bytes": seen.bytes,
        "kl": seen.kl,
        "klLow": seen.kl_low,
        "klHigh": seen.kl_high,
        "perplexity": seen.perplexity,
        "perplexityLow": seen.perplexity_low,
        "perplexityHigh": seen.perplexity_high,
    }


def _point(one: Shown) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, **_figures(one.seen)}


def _mark(what: str, one: Shown, truth: Mapping[str, Any] | None) -> dict[str, Any]:
    measured = {name: truth[name] for name in ("kl", "perplexity", "bytes")} if truth else {}
    return {**_point(one), **measured, "what": what, "measured": truth is not None}
