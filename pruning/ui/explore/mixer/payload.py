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
from pruning.planning.forecast.fit import MAX_KL, PIVOT
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import KL, LEVELS, measured_verdict
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, Group, Plan
from pruning.planning.recipe.presets import PRESETS, preset_parts
from pruning.ui.shared import charts
from pruning.ui.text import labels

# The presets whose curves stand on the chart of quality against size.
DRAWN = ("uniform", "guide", "protect_ends")


@dataclass(frozen=True)
class Marks:
    """What else the mixer shows: plans that were measured or pinned, single measured points, speed.

    `measured` are (plan, figures); `points` are (level, perplexity over the dense one's, minus 1) by group;
    `curves` say how questions right fall with the KL, by capability, and `decode_ms` is the dense model's
    measured time a word, where these are known. `forecast_label` is what the badges of forecasts say.
    """

    measured: Sequence[tuple[Plan, Mapping[str, Any]]] = ()
    pins: Sequence[tuple[str, Plan]] = ()
    points: Mapping[Group, Sequence[tuple[float, float]]] | None = None
    curves: Mapping[str, AccuracyCurve] | None = None
    decode_ms: float | None = None
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
        "order": [kind for kind in KINDS if any(kind == other for _, other in smap.groups)],
        "kinds": {
            kind: {
                "label": labels.kind(kind),
                "short": labels.SHORT_KIND[kind],
                "colour": charts.COLOUR[kind],
            }
            for kind in KINDS
        },
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
        "decodeMs": marks.decode_ms,
        "forecastLabel": marks.forecast_label,
        "help": {
            "perplexity": labels.PERPLEXITY,
            "agreement": labels.AGREEMENT,
            "accuracy": labels.ACCURACY,
            "questions": labels.QUESTIONS,
            "size": f"{labels.SIZE} {labels.COMPACT}",
            "verdict": labels.VERDICT,
        },
        "fingerprint": smap.fingerprint,
    }
    return {"id": hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16], **value}


def _constants() -> dict[str, Any]:
    return {
        "band": arithmetic.BAND,
        "maxKl": MAX_KL,
        "groupSpread": arithmetic.GROUP_SPREAD,
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
