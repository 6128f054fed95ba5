"""The Sensitivity page's comparison of criteria: for the whole model and for what is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, Group, Plan
from pruning.ui.data import queries, requests, session
from pruning.ui.sensitivity import charts as sensitivity_charts
from pruning.ui.shared import charts, jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels


@dataclass(frozen=True)
class CriterionMap:
    """One criterion's map, and what its measured plans and single groups gave."""

    name: str
    measurements: list[queries.Measured]
    points: Mapping[Group, Sequence[Mapping[str, float]]]
    forecaster: Forecaster


def view() -> None:
    """The criteria for the whole model, and for the groups that were chosen on the map."""
    busy = jobs.panel(("map",))
    model = page_frame.require_model()
    smap = (queries.sensitivity_map(model) or queries.other_map(model)) if model else None
    if model and missing_map.require_map(smap, "What criteria cost is read from", busy):
        level, metric = _controls(smap)
        there = {group for group in smap.groups if group[1] in KINDS}
        picked = [group for group in st.session_state.get("chosen_groups", []) if group in there]
        section(model, picked or [_most_delicate(smap, level)], level, metric, busy)
        st.caption("On the right are the groups chosen on the map; before any is, the most delicate one.")


def _controls(smap: SensitivityMap) -> tuple[float, str]:
    """The level at which they are compared, and in what."""
    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    levels = [float(level) for level in smap.levels]
    level = left.select_slider(
        "If this share (sparsity) went",
        levels,
        value=min(levels, key=lambda v: abs(v - 0.5)),
        format_func=format.percent,
        key="criteria_level",
        **session.PERSIST,
    )
    metric = right.segmented_control(
        "Show",
        sensitivity_charts.METRICS,
        default="KL",
        required=True,
        key="criteria_metric",
        **session.PERSIST,
        help=f"KL: {labels.KL} Perplexity: {labels.PERPLEXITY}",
    )
    return float(level), metric or "KL"


def _most_delicate(smap: SensitivityMap, level: float) -> Group:
    """The group of weights whose loss at this level is forecast to cost most."""
    weights = smap.of_weights
    forecaster = queries.forecaster(weights, [])
    return max(weights.groups, key=lambda group: forecaster.forecast({group: level}).kl)


def section(model: queries.Info, chosen: Sequence[Group], level: float, metric: str, busy: bool) -> None:
    """Two charts, the whole model and the chosen groups, a line for each criterion that has a map."""
    maps = _maps(model)
    drawn = {entry.forecaster.smap.criterion for entry in maps}
    _missing([name for name in labels.SIDE_BY_SIDE if name not in drawn], busy)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**The same share of every group** :blue-badge[lines: forecast with band]")
        _chart(maps, list(model.parameters), metric, level, "criteria_whole")
        st.markdown(_verdict(maps, list(model.parameters), level, metric))
    with right:
        st.markdown(f"**{_name(chosen)}** :blue-badge[lines: forecast with band]")
        _chart(maps, chosen, metric, level, "criteria_chosen")
        st.markdown(_verdict(maps, chosen, level, metric))


def _maps(model: queries.Info) -> list[CriterionMap]:
    maps = []
    for key, name in labels.CRITERION_NAME.items():
        smap = queries.sensitivity_map(model, key)
        if smap is not None:
            measurements = queries.measurements(model, smap)
            points = queries.sweep_points(smap)
            maps.append(CriterionMap(name, measurements, points, queries.forecaster(smap, measurements)))
    return maps


def _missing(names: list[str], busy: bool) -> None:
    """The button that draws the maps that are not there yet; all share one look at the text."""
    if not names:
        return
    *first, last = [labels.CRITERION_NAME[key] for key in names]
    label = f"Draw the maps of {', '.join(first)} and {last}" if first else f"Draw the map of {last}"
    data = session.current().data
    maps = [requests.request("map", criterion=key, data=data) for key in names]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            label,
            icon=":material/grid_on:",
            disabled=busy,
            key="missing_maps",
            on_click=page_frame.on_click,
            args=(lambda: [requests.submit(request) for request in maps],),
        )
        page_frame.expected_time(*maps)
        st.caption("Quick: what was learnt from the text for one criterion serves all.", width="content")


def _at(entry: CriterionMap, groups: Sequence[Group], level: float) -> Forecast:
    return entry.forecaster.forecast(_plan(groups, level))


def _plan(groups: Sequence[Group], level: float) -> Plan:
    return dict.fromkeys(groups, level) if level else {}


def _chart(maps: list[CriterionMap], groups: Sequence[Group], metric: str, level: float, key: str) -> None:
    lines, measured = [], []
    for entry in maps:
        # No logarithmic axis holds the KL of 0 at level 0; the perplexity there is the unpruned model's.
        levels = [*([] if metric == "KL" else [0.0]), *map(float, entry.forecaster.smap.levels)]
        forecasts = [_at(entry, groups, v) for v in levels]
        if metric == "KL":
            y, low, high = (
                [f.kl for f in forecasts],
                [f.kl_low for f in forecasts],
                [f.kl_high for f in forecasts],
            )
        else:
            y = [f.perplexity for f in forecasts]
            low, high = [f.perplexity_low for f in forecasts], [f.perplexity_high for f in forecasts]
        lines.append(charts.Line(entry.name, levels, y, low, high))
        truth = _truths(entry, groups, levels, "kl" if metric == "KL" else "perplexity")
        if truth:
            measured.append(charts.Points(entry.name, list(truth), list(truth.values())))
    dense = maps[0].forecaster.smap.dense["perplexity"]
    st.plotly_chart(
        sensitivity_charts.criteria(lines, measured, metric, dense, level),
        key=key,
        config=charts.BARE,
        alt="Forecast cost against the share removed, a line for each criterion",
    )


def _truths(
    entry: CriterionMap, groups: Sequence[Group], levels: Sequence[float], field: str
) -> dict[float, float]:
    """What was measured of these groups at the same level: whole plans, and points of a single group."""
    truth = {}
    if len(groups) == 1:
        truth = {float(point["level"]): float(point[field]) for point in entry.points.get(groups[0], ())}
    for level in levels:
        figures = queries.measured(_plan(groups, level), entry.measurements)
        if level and figures:
            truth[level] = float(figures[field])
    return dict(sorted(truth.items()))


def _verdict(maps: list[CriterionMap], groups: Sequence[Group], level: float, metric: str) -> str:
    """Who is forecast to cost least at the level, in a sentence, and whether that is sure."""
    order = sorted(((entry.name, _at(entry, groups, level)) for entry in maps), key=lambda pair: pair[1].kl)
    if metric == "KL":
        unit = "KL in nats per token"
        shown = [(name, *map(format.kl, (f.kl, f.kl_low, f.kl_high))) for name, f in order]
    else:
        unit = "perplexity"
        shown = [
            (name, *map(format.perplexity, (f.perplexity, f.perplexity_low, f.perplexity_high)))
            for name, f in order
        ]
    said = ", ".join(f"{name} {value} ({low}\u00a0–\u00a0{high})" for name, value, low, high in shown)
    text = f"At {format.percent(level)}, {unit}: {said}."
    if len(order) > 1:
        (first, least), (second, next_one) = order[:2]
        sure = least.kl_high < next_one.kl_low
        overlap = f"The bands of {first} and {second} overlap: measure to be sure."
        text += f" **{first}** costs least." if sure else f" {overlap}"
    return f"{labels.FORECAST} :small[{text}]"


def _name(chosen: Sequence[Group]) -> str:
    if len(chosen) == 1:
        return labels.group(*chosen[0])
    return f"The {len(chosen)} chosen groups together"
