"""The Sensitivity page's comparison of criteria: for the whole model and for what is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast, ForecastFit, SensitivityMap
from pruning.planning.recipe.plan import Group, Plan
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.sensitivity import charts as sensitivity_charts
from pruning.ui.shared import charts
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words


@dataclass(frozen=True)
class Scored:
    """One criterion's map, and what its measured plans and single groups taught."""

    name: str
    table: SensitivityMap
    known: list[services.Measured]
    points: Mapping[Group, Sequence[Mapping[str, float]]]
    calibration: ForecastFit


def section(model: services.Info, chosen: Sequence[Group], level: float, metric: str, busy: bool) -> None:
    """Two charts, the whole model and the chosen groups, a line for each criterion that has a map."""
    found = _scored(model)
    st.subheader("Criteria side by side", anchor=False)
    _missing([key for key in words.SIDE_BY_SIDE if key not in {one.table.criterion for one in found}], busy)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**The same share of every group** :blue-badge[lines: forecast with band]")
        _chart(found, model.groups, metric, level, "criteria_whole")
        st.markdown(_verdict(found, model.groups, level, metric))
    with right:
        st.markdown(f"**{_name(chosen)}** :blue-badge[lines: forecast with band]")
        _chart(found, chosen, metric, level, "criteria_chosen")
        st.markdown(_verdict(found, chosen, level, metric))


def _scored(model: services.Info) -> list[Scored]:
    found = []
    for key, name in words.CRITERION_NAME.items():
        smap = services.the_map(model, key)
        if smap is not None:
            known = services.measurements(model, smap)
            points = services.sweep_points(smap)
            found.append(Scored(name, smap, known, points, services.calibration(smap, known)))
    return found


def _missing(criteria: list[str], busy: bool) -> None:
    """The button that draws the maps that are not there yet; all share one look at the text."""
    if not criteria:
        return
    *first, last = [words.CRITERION_NAME[key] for key in criteria]
    label = f"Draw the maps of {', '.join(first)} and {last}" if first else f"Draw the map of {last}"
    data = state.current().data
    wanted = [services.request("map", criterion=key, data=data) for key in criteria]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            label,
            icon=":material/grid_on:",
            disabled=busy,
            key="missing_maps",
            on_click=shell.act,
            args=(lambda: [services.submit(one) for one in wanted],),
        )
        st.caption("Quick: what was learnt from the text for one criterion serves all.", width="content")


def _at(one: Scored, groups: Sequence[Group], level: float) -> Forecast:
    return Forecaster(one.table, one.calibration).forecast(_plan(groups, level))


def _plan(groups: Sequence[Group], level: float) -> Plan:
    return dict.fromkeys(groups, level) if level else {}


def _chart(found: list[Scored], groups: Sequence[Group], metric: str, level: float, key: str) -> None:
    lines, measured = [], []
    for one in found:
        # No logarithmic axis holds the KL of 0 at level 0; the perplexity there is the unpruned model's.
        levels = [*([] if metric == "KL" else [0.0]), *map(float, one.table.levels)]
        seen = [_at(one, groups, v) for v in levels]
        if metric == "KL":
            y, low, high = [f.kl for f in seen], [f.kl_low for f in seen], [f.kl_high for f in seen]
        else:
            y = [f.perplexity for f in seen]
            low, high = [f.perplexity_low for f in seen], [f.perplexity_high for f in seen]
        lines.append(charts.Line(one.name, levels, y, low, high))
        truth = _truths(one, groups, levels, "kl" if metric == "KL" else "perplexity")
        if truth:
            measured.append(charts.Points(one.name, list(truth), list(truth.values())))
    dense = found[0].table.dense["perplexity"]
    st.plotly_chart(
        sensitivity_charts.criteria(lines, measured, metric, dense, level),
        key=key,
        config=charts.BARE,
        alt="Forecast cost against the share removed, a line for each criterion",
    )


def _truths(one: Scored, groups: Sequence[Group], levels: Sequence[float], field: str) -> dict[float, float]:
    """What was measured of these groups at the same level: whole plans, and points of a single group."""
    truth = {}
    if len(groups) == 1:
        truth = {float(point["level"]): float(point[field]) for point in one.points.get(groups[0], ())}
    for level in levels:
        figures = services.measured(_plan(groups, level), one.known, list(one.table.groups))
        if level and figures:
            truth[level] = float(figures[field])
    return dict(sorted(truth.items()))


def _verdict(found: list[Scored], groups: Sequence[Group], level: float, metric: str) -> str:
    """Who is forecast to cost least at the level, in a sentence, and whether that is sure."""
    order = sorted(((one.name, _at(one, groups, level)) for one in found), key=lambda pair: pair[1].kl)
    if metric == "KL":
        unit = "KL in nats per token"
        shown = [(name, *map(words.kl, (f.kl, f.kl_low, f.kl_high))) for name, f in order]
    else:
        unit = "perplexity"
        shown = [
            (name, *map(words.perplexity, (f.perplexity, f.perplexity_low, f.perplexity_high)))
            for name, f in order
        ]
    said = ", ".join(f"{name} {value} ({low}\u00a0–\u00a0{high})" for name, value, low, high in shown)
    text = f"At {words.percent(level)}, {unit}: {said}."
    if len(order) > 1:
        (first, least), (second, next_one) = order[:2]
        sure = least.kl_high < next_one.kl_low
        overlap = f"The bands of {first} and {second} overlap: measure to be sure."
        text += f" **{first}** costs least." if sure else f" {overlap}"
    return f":blue-badge[forecast] :small[{text}]"


def _name(chosen: Sequence[Group]) -> str:
    if len(chosen) == 1:
        return words.group(*chosen[0])
    return f"The {len(chosen)} chosen groups together"
