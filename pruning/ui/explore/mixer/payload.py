"""What the mixer needs to forecast by itself, as plain data: the map's costs, calibration and constants.

It is sent when a page is drawn, not when a slider moves. `forecast.js` reads it; a browser test holds both
sides against each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pruning.planning.cost.written import file_bytes
from pruning.planning.forecast import predict as arithmetic
from pruning.planning.forecast.capability_accuracy import AccuracyCurve
from pruning.planning.forecast.diagnostics import MANY_LAYERS, WEAK_SHARE
from pruning.planning.forecast.fit import MAX_KL, PIVOT
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import KL, LEVELS, measured_verdict
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, UNIT_KINDS, Group, Plan
from pruning.planning.recipe.presets import PRESETS, preset_parts
from pruning.ui.shared import charts
from pruning.ui.text import labels

UNIT_ORDER = ("layers", "heads", "kv_groups", "neurons")
# The presets whose curves stand on the chart of quality against size.
DRAWN = ("uniform", "guide", "protect_ends")


HELP = {
    "perplexity": labels.PERPLEXITY,
    "agreement": labels.AGREEMENT,
    "accuracy": labels.ACCURACY,
    "questions": labels.QUESTIONS,
    "size": f"{labels.SIZE} Units that are cut out take none. {labels.COMPACT}",
    "prefill": f"{labels.PREFILL} {labels.SPEED_SOURCE}",
    "decode": f"{labels.DECODE} {labels.SPEED_SOURCE}",
    "memory": labels.MEMORY,
    "verdict": labels.VERDICT,
}


@dataclass(frozen=True)
class Marks:
    """What else the mixer shows: plans that were measured or pinned, single measured points, size and time.

    `measured` are (plan, figures); `points` are (level, perplexity over the dense one's, minus 1) by group;
    `curves` say how questions right fall with the KL, by capability, where that is known. `cost` is what size
    and time are worked out from, as `pruning.ui.data.costs` gives it, None where the model's parts were not
    counted, and `writable` how many heads or KV groups may go so that a smaller file can be written, by kind,
    where that is known. `forecast_label` is what the badges of forecasts say.
    """

    measured: Sequence[tuple[Plan, Mapping[str, Any]]] = ()
    pins: Sequence[tuple[str, Plan]] = ()
    points: Mapping[Group, Sequence[tuple[float, float]]] | None = None
    curves: Mapping[str, AccuracyCurve] | None = None
    cost: Mapping[str, Any] | None = None
    writable: Mapping[str, Sequence[int]] | None = None
    forecast_label: str = "forecast"


def table_data(forecaster: Forecaster, marks: Marks) -> dict[str, Any]:
    """The table as the mixer's JavaScript takes it; `id` changes whenever anything in it does."""
    smap, fit = forecaster.smap, forecaster.fit
    log_levels, log_costs = smap.logs[0], forecaster.weighted_map.joint_logs
    dense = smap.dense
    number = {group: index for index, group in enumerate(smap.groups)}
    value: dict[str, Any] = {
        "layers": 1 + max(layer for layer, _ in smap.groups),
        "groups": [{"layer": layer, "kind": kind} for layer, kind in smap.groups],
        # Kinds of weights, and of units, in the order in which they are drawn.
        "order": [kind for kind in KINDS if kind in smap.kinds],
        "unitOrder": [kind for kind in UNIT_ORDER if kind in smap.kinds],
        "kinds": _kinds(),
        "mix": _mix(smap),
        "known": log_levels.tolist(),
        "logCosts": log_costs.tolist(),
        "parameters": smap.parameters.tolist(),
        "maxLevel": MAX_LEVEL,
        "dense": {
            "perplexity": dense["perplexity"],
            "accuracy": dense["accuracy"],
            "bytes": dense["bytes"],
            "weightBytes": dense["weight_bytes"],
        },
        "calibration": {
            "kappa": fit.kappa,
            "beta": fit.beta,
            "spread": fit.spread,
            "measured": fit.measured,
            "kinds": list(fit.weights),
            "covariance": [list(row) for row in fit.covariance],
            "quality": asdict(fit.quality),
        },
        "constants": _constants(),
        "presets": [_preset(name, smap.groups) for name in PRESETS],
        "measured": [_measured(smap, plan, figures) for plan, figures in marks.measured],
        "pins": [{"name": name, "levels": smap.levels_of(plan).tolist()} for name, plan in marks.pins],
        "points": {
            number[group]: list(points) for group, points in (marks.points or {}).items() if group in number
        },
        "curves": [_curve(curve) for curve in (marks.curves or {}).values()],
        "cost": marks.cost,
        "writable": marks.writable,
        "timeBand": _time_band(marks.cost),
        "forecastLabel": marks.forecast_label,
        "help": HELP,
        "fingerprint": smap.fingerprint,
    }
    return {"id": hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16], **value}


def _kinds() -> dict[str, dict[str, str]]:
    """The words and the colour of every kind, of weights and of units."""
    return {
        kind: {
            "label": labels.kind(kind),
            "short": labels.SHORT_KIND[kind],
            "about": labels.KIND_ABOUT[kind],
            "colour": charts.COLOUR[kind],
        }
        for kind in (*KINDS, *UNIT_KINDS)
    }


def _mix(smap: SensitivityMap) -> dict[str, Any]:
    """What units do to weights, by group: see `pruning.planning.forecast.mixed.Mix`."""
    mix = smap.mix
    return {
        "units": mix.units.tolist(),
        "counts": mix.counts.tolist(),
        "rest": mix.rest.tolist(),
        "taken": [
            [int(weights), int(units), float(share)] for weights, units, share in zip(*mix.taken, strict=True)
        ],
    }


def _time_band(cost: Mapping[str, Any] | None) -> dict[str, float]:
    """By mode, the share by which a forecast time may be off either way."""
    latency = (cost or {}).get("latency")
    return dict(latency["band"]) if latency else {}


def _constants() -> dict[str, Any]:
    return {
        "keptPower": arithmetic.KEPT_POWER,
        "band": arithmetic.BAND,
        "maxKl": MAX_KL,
        "groupSpread": arithmetic.GROUP_SPREAD,
        "layerSpread": arithmetic.LAYER_SPREAD,
        "setSpread": arithmetic.SET_SPREAD,
        "manyLayers": MANY_LAYERS,
        "weakShare": WEAK_SHARE,
        "pivot": PIVOT,
        "levels": list(LEVELS),
        "klLimits": [KL.noticeable, KL.broken],
    }


def _preset(name: str, groups: Sequence[Group]) -> dict[str, Any]:
    parts = preset_parts(name, groups)
    return {
        "label": labels.PRESET[name],
        "drawn": name in DRAWN,
        "fixed": [parts[group][0] for group in groups],
        "times": [parts[group][1] for group in groups],
    }


def _measured(smap: SensitivityMap, plan: Plan, figures: Mapping[str, Any]) -> dict[str, Any]:
    verdict = measured_verdict(figures)
    return {
        "levels": smap.levels_of(plan).tolist(),
        "perplexity": figures["perplexity"],
        "agreement": figures["agreement"],
        "accuracy": figures["accuracy"],
        "questions": figures.get("probe_accuracy"),
        "fileBytes": file_bytes(figures),
        "bytes": figures["bytes"],
        "verdict": {"level": verdict.level, "source": verdict.source, "sentence": verdict.sentence},
    }


def _curve(curve: AccuracyCurve) -> dict[str, float]:
    return {
        "dense": curve.dense,
        "chance": curve.asked.chance,
        "questions": curve.asked.questions,
        "a": curve.a,
        "b": curve.b,
        "spread": curve.spread,
    }
