"""What every group would cost if it alone were pruned: forecasts, measured points, and both as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Group
from pruning.ui.text import format

Alone = Mapping[tuple[Group, float], Forecast]
ABOUT_EQUAL = 0.1  # a measurement this near its forecast is called equal
NOTHING = 0.001  # nats per token

# The CSV's columns; a table on the page shows the same under shorter names.
COLUMNS = (
    "layer",
    "group",
    "level_percent",
    "forecast_kl_nats_per_token",
    "forecast_kl_low_nats_per_token",
    "forecast_kl_high_nats_per_token",
    "forecast_perplexity",
    "forecast_perplexity_low",
    "forecast_perplexity_high",
    "measured_kl_nats_per_token",
    "measured_perplexity",
    "estimators_apart_factor",
)


def name_of(smap: SensitivityMap) -> tuple[object, ...]:
    """What tells one map from another: `seconds` differs each time that one is made."""
    groups = len(smap.groups)
    return smap.fingerprint, smap.criterion, smap.data_fingerprint, groups, smap.levels, smap.seconds


# A click on the map needs hundreds of these again, and they change only with a measurement.
@st.cache_resource(
    max_entries=8,
    show_spinner=False,
    hash_funcs={Forecaster: lambda forecaster: (name_of(forecaster.smap), forecaster.fit)},
)
def alone(forecaster: Forecaster) -> Alone:
    """The forecast of every group at every level of the map, that group alone pruned; level 0 included."""
    return forecaster.forecast_alone()


def beside(forecast: Forecast, kl: float) -> str:
    """How a measured KL (nats per token) stands to its forecast, in plain words."""
    if max(forecast.kl, kl) < NOTHING:
        return "next to nothing, as forecast"
    ratio = kl / max(forecast.kl, 1e-12)
    if abs(math.log(max(ratio, 1e-12))) <= math.log(1 + ABOUT_EQUAL):
        return "as forecast"
    if ratio >= 2:
        text = f"{ratio:.1f} times its forecast"
    elif ratio > 1:
        text = f"{format.percent(ratio - 1)} above its forecast"
    else:
        text = f"{format.percent(1 - ratio)} below its forecast"
    if forecast.kl_low <= kl <= forecast.kl_high:
        return f"{text}, inside the band"
    return f"{text}, outside the band: trust the measurement"


def frame(
    smap: SensitivityMap, single: Alone, points: Mapping[Group, Sequence[Mapping[str, Any]]]
) -> pd.DataFrame:
    """Every group and level with its forecast and band, what was measured, and how far the estimators part.

    Columns as in `COLUMNS`; a measured value is missing where there is none. Points at a level that is not
    in the map are rows of their own without a forecast.
    """
    rows = []
    for index, group in enumerate(smap.groups):
        measured = {round(float(point["level"]), 6): point for point in points.get(group, ())}
        for column, level in enumerate(map(float, smap.levels)):
            forecast, point = single[group, level], measured.pop(round(level, 6), None)
            rows.append(
                (
                    group[0],
                    group[1],
                    round(100 * level, 4),
                    forecast.kl,
                    forecast.kl_low,
                    forecast.kl_high,
                    forecast.perplexity,
                    forecast.perplexity_low,
                    forecast.perplexity_high,
                    point["kl"] if point else None,
                    point["perplexity"] if point else None,
                    float(smap.disagreement[index, column]),
                )
            )
        for level, point in measured.items():
            rows.append(
                (
                    *group,
                    round(100 * level, 4),
                    *[None] * 6,
                    point["kl"],
                    point["perplexity"],
                    None,
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], float))
