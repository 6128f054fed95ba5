"""What the desk needs to forecast by itself, as plain data: the map's costs, calibration and constants.

It is sent when a page is drawn, not when a slider moves. `forecast.js` reads it; a browser test holds both
sides against each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast import predict as arithmetic
from pruning.planning.forecast.fit import MAX_KL, PIVOT
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, Group, Plan
from pruning.planning.recipe.presets import PRESETS, preset_parts
from pruning.ui.shared import charts
from pruning.ui.text import format as words

# The strategies whose curves stand on the chart of quality against size.
DRAWN = ("uniform", "guide", "protect_ends")


@dataclass(frozen=True)
class Marks:
    """What else the desk shows: plans that were measured or pinned, single measured points, speed.

    `measured` are (plan, figures); `points` are (level, perplexity over the dense one's, minus 1) by group;
    `decode_ms` is the dense model's measured time a word, where it is known.
    """

    measured: Sequence[tuple[Plan, Mapping[str, Any]]] = ()
    pins: Sequence[tuple[str, Plan]] = ()
    points: Mapping[Group, Sequence[tuple[float, float]]] | None = None
    decode_ms: float | None = None


def table_data(smap: SensitivityMap, calibration: ForecastFit, marks: Marks) -> dict[str, Any]:
    """The table as the desk's JavaScript takes it; `id` changes whenever anything in it does."""
    known, log_costs = smap.logs[0], Forecaster(smap, calibration).weighted_map.joint_logs
    dense = smap.dense
    number = {group: index for index, group in enumerate(smap.groups)}
    value: dict[str, Any] = {
        "layers": 1 + max(layer for layer, _ in smap.groups),
        "groups": [{"layer": layer, "kind": kind} for layer, kind in smap.groups],
        "order": [kind for kind in KINDS if any(kind == other for _, other in smap.groups)],
        "kinds": {
            kind: {"label": words.kind(kind), "short": words.SHORT_KIND[kind], "colour": charts.COLOUR[kind]}
            for kind in KINDS
        },
        "known": known.tolist(),
        "logCosts": log_costs.tolist(),
        "parameters": smap.parameters.tolist(),
        "maxLevel": MAX_LEVEL,
        "dense": {
            "perplexity": dense["perplexity"],
            "bytes": dense["bytes"],
            "weightBytes": dense["weight_bytes"],
        },
        "calibration": {
            "kappa": calibration.kappa,
            "beta": calibration.beta,
            "spread": calibration.spread,
            "measured": calibration.measured,
            "kinds": list(calibration.weights),
            "covariance": [list(row) for row in calibration.covariance],
        },
        "constants": _constants(),
        "presets": [_preset(name, smap.groups) for name in PRESETS],
        "measured": [_measured(smap, plan, figures) for plan, figures in marks.measured],
        "pins": [{"name": name, "levels": smap.levels_of(plan).tolist()} for name, plan in marks.pins],
        "points": {
            number[group]: list(points) for group, points in (marks.points or {}).items() if group in number
        },
        "decodeMs": marks.decode_ms,
        "help": {"perplexity": words.PERPLEXITY, "agreement": words.AGREEMENT, "size": words.SIZE},
        "fingerprint": smap.fingerprint,
    }
    return {"id": hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16], **value}


def _constants() -> dict[str, Any]:
    return {
        "band": arithmetic.BAND,
        "maxKl": MAX_KL,
        "groupSpread": arithmetic.GROUP_SPREAD,
        "pivot": PIVOT,
        "lag": arithmetic.LAG,
        "agreement": list(arithmetic.AGREEMENT_FIT),
        "agreementSlack": arithmetic.AGREEMENT_SLACK,
    }


def _preset(name: str, groups: Sequence[Group]) -> dict[str, Any]:
    parts = preset_parts(name, groups)
    return {
        "label": words.STRATEGY[name],
        "drawn": name in DRAWN,
        "fixed": [parts[group][0] for group in groups],
        "times": [parts[group][1] for group in groups],
    }


def _measured(smap: SensitivityMap, plan: Plan, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "levels": smap.levels_of(plan).tolist(),
        "perplexity": figures["perplexity"],
        "agreement": figures["agreement"],
        "bytes": figures["bytes"],
    }
