"""The Sensitivity page's parts: drawing a map, and the heat map with its curves."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Group
from pruning.ui.data import queries, requests, session, single_groups
from pruning.ui.data.single_groups import Alone
from pruning.ui.sensitivity import charts as sensitivity_charts
from pruning.ui.sensitivity import criteria, sweep
from pruning.ui.sensitivity.charts import Cell
from pruning.ui.shared import charts, missing_map
from pruning.ui.text import format, labels

MAX_CURVES = 6
KEPT = "Until it is drawn, what you see below is the map of {name}: another criterion takes other weights."
WAYS = {"Click": ":material/ads_click: Click a cell", "Box": ":material/select: Draw a box"}
Points = dict[Group, list[dict[str, Any]]]


def first_map(model: queries.Info, busy: bool) -> None:
    """The criterion, and the button that draws its map, where the model has none of any criterion."""
    with st.container(border=True):
        st.subheader("Draw the map", anchor=False)
        st.write(
            f"One look at the text forecasts what every one of the {len(model.groups)} groups would cost "
            "at nine levels, and changes nothing."
        )
        left, right = st.columns([2, 3], vertical_alignment="bottom")
        with left:
            _criterion_box()
        with right:
            missing_map.button(busy)


def _criterion_box() -> None:
    names = list(labels.CRITERION)
    chosen = session.current().criterion
    if chosen not in names:
        st.error(f'There is no criterion "{chosen}". Choose one of {", ".join(names)}.')
    st.selectbox(
        "How weights are chosen",
        names,
        index=names.index(chosen) if chosen in names else None,
        format_func=labels.CRITERION.__getitem__,
        key="criterion",
        on_change=lambda: session.change(criterion=st.session_state["criterion"]),
        help="A criterion scores each weight; the lowest scores go first.",
    )


def board(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Heat map, curves, the measuring form and the criteria, in one fragment: a click repaints only this.

    While the session's own map is missing `smap` is another criterion's, and single groups are not measured:
    what is measured is the session's criterion.
    """
    drawn = session.current().criterion
    running = any(job.request["task"] == "sweep" for job in requests.waiting_jobs())

    @st.fragment(run_every=2 if running else None)
    def draw() -> None:
        if session.current().criterion != drawn:
            st.rerun()  # another criterion has another map: the whole page draws it
        measurements = queries.measurements(model, smap)
        single = single_groups.alone(queries.forecaster(smap, measurements))
        points = queries.sweep_points(smap)
        level, metric = _controls(smap)
        costs = [single[group, level].kl for group in smap.groups]
        ends = [smap.groups[costs.index(worst(costs))] for worst in (max, min)]
        picked = [group for group in st.session_state.get("chosen_groups", []) if group in set(smap.groups)]
        chosen = picked or ends
        _heat(smap, single, points, chosen, level, metric)
        left, right = st.columns([3, 2], gap="large")
        with left:
            _curves(smap, single, points, chosen, level, metric)
        with right:
            _extremes(smap, single, ends, level)
            if not missing_map.other(smap):
                sweep.form(model, smap, chosen, busy)
        criteria.section(model, picked or ends[:1], level, metric, busy)

    draw()


def _controls(smap: SensitivityMap) -> tuple[float, str]:
    left, middle, right = st.columns([3, 3, 2], gap="large", vertical_alignment="bottom")
    with left:
        _criterion_box()
    levels = [float(level) for level in smap.levels]
    level = middle.select_slider(
        "If this share of one group went",
        levels,
        value=min(levels, key=lambda v: abs(v - 0.5)),
        format_func=format.percent,
        key="heat_level",
        **session.PERSIST,
    )
    metric = right.segmented_control(
        "Show",
        sensitivity_charts.METRICS,
        default="KL",
        required=True,
        key="heat_metric",
        **session.PERSIST,
        help=f"KL: {labels.KL} Perplexity: {labels.PERPLEXITY}",
    )
    return float(level), metric or "KL"


def _heat(
    smap: SensitivityMap, single: Alone, points: Points, chosen: list[Group], level: float, metric: str
) -> None:
    """The heat map. The cells outlined at first stay the same while the picture does: the browser moves the
    outline with a click, and another figure would make it draw the chart anew."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"**Forecast cost of removing {format.percent(level)} of one group** {labels.FORECAST} "
            f"{missing_map.badge(smap)}",
            width="content",
        )
        way = st.segmented_control(
            "Pick groups by",
            list(WAYS),
            default="Click",
            required=True,
            key="heat_way",
            **session.PERSIST,
            label_visibility="collapsed",
            format_func=WAYS.__getitem__,
        )
    cells = _cells(smap, single, points, level, metric)
    look = (smap.fingerprint, smap.criterion, smap.data, metric, way, cells)
    if st.session_state.get("heat_look") != look:
        st.session_state["heat_look"] = look
        st.session_state["heat_marked"] = chosen
    marked = st.session_state["heat_marked"]
    st.plotly_chart(
        sensitivity_charts.heat(cells, metric, marked, way == "Box"),
        key="heat",
        on_select=_take_selection,
        selection_mode=("points", "box"),
        config=charts.BARE,
        alt="Heat map of forecast cost, layers to the right and groups downwards",
    )


def _cells(
    smap: SensitivityMap, single: Alone, points: Points, level: float, metric: str
) -> dict[Group, Cell]:
    """The cost of every group at a level: KL in nats per token, or how many percent perplexity rises."""
    dense = smap.dense["perplexity"]

    def cost(kl: float, perplexity: float) -> float:
        return kl if metric == "KL" else 100 * (perplexity / dense - 1)

    measured = {
        group: cost(point["kl"], point["perplexity"])
        for group, of_group in points.items()
        for point in of_group
        if abs(point["level"] - level) < 1e-6
    }
    cells = {}
    for group in smap.groups:
        alone = single[group, level]
        band = cost(alone.kl_low, alone.perplexity_low), cost(alone.kl_high, alone.perplexity_high)
        cells[group] = Cell(cost(alone.kl, alone.perplexity), band, measured.get(group))
    return cells


def _take_selection() -> None:
    points = st.session_state["heat"]["selection"]["points"]
    picked = [(int(p["customdata"][0]), str(p["customdata"][1])) for p in points if p.get("customdata")]
    if picked:
        st.session_state["chosen_groups"] = list(dict.fromkeys(picked))


def _curves(
    smap: SensitivityMap, single: Alone, points: Points, chosen: list[Group], level: float, metric: str
) -> None:
    shown = sorted(chosen)[:MAX_CURVES]
    lines = [_line(smap, group, single, metric) for group in shown]
    field = "kl" if metric == "KL" else "perplexity"
    measured = [
        charts.Points(labels.group(*g), [p["level"] for p in points[g]], [p[field] for p in points[g]])
        for g in shown
        if g in points
    ]
    count = sum(len(p.x) for p in measured)
    st.markdown(
        f"**Cost at every level** :blue-badge[line: forecast with band] {missing_map.badge(smap)} "
        + (f":green-badge[{count} measured points]" if count else ":gray-badge[nothing measured yet]")
    )
    st.plotly_chart(
        sensitivity_charts.curves(lines, measured, metric, level),
        key="curves",
        config=charts.BARE,
        alt="Forecast cost against the share removed, with measured points",
    )
    if len(chosen) > MAX_CURVES:
        st.caption(f"{len(chosen)} groups are selected; the first {MAX_CURVES} are drawn.")
    for group in shown:
        if group in points:
            st.markdown(f"{_beside(group, points[group], single, level)} {missing_map.badge(smap)}")


def _line(smap: SensitivityMap, group: Group, single: Alone, metric: str) -> charts.Line:
    levels = [0.0, *map(float, smap.levels)]
    forecasts = [single[group, level] for level in levels]
    if metric == "KL":
        y, low, high = (
            [f.kl for f in forecasts],
            [f.kl_low for f in forecasts],
            [f.kl_high for f in forecasts],
        )
    else:
        y = [f.perplexity for f in forecasts]
        low, high = [f.perplexity_low for f in forecasts], [f.perplexity_high for f in forecasts]
    return charts.Line(labels.group(*group), levels, y, low, high)


def _beside(group: Group, points: list[dict[str, Any]], single: Alone, level: float) -> str:
    """The measured point nearest to the level beside its forecast, in a sentence."""
    point = min(points, key=lambda point: abs(point["level"] - level))
    at = round(float(point["level"]), 6)
    forecast = single.get((group, at))
    where = f"{labels.group(*group)} at {format.percent(at)}"
    said = f"{where}: {labels.MEASURED} KL {format.kl(point['kl'])}"
    if forecast is None:
        return f":small[{said}]"
    ratio = single_groups.beside(forecast, point["kl"])
    return f":small[{said}, {ratio}] {labels.FORECAST} :small[{_kl_band(forecast)}]"


def _extremes(smap: SensitivityMap, single: Alone, ends: list[Group], level: float) -> None:
    """The most sensitive and the most robust group in a sentence each."""
    badges = (":orange-badge[Most sensitive]", ":green-badge[Most robust]")
    for badge, group in zip(badges, ends, strict=True):
        forecast, dense = single[group, level], smap.dense["perplexity"]
        rise = format.more(forecast.perplexity / dense - 1)
        bounds = forecast.perplexity_low, forecast.perplexity_high
        least, most = (format.percent(bound / dense - 1) for bound in bounds)
        st.markdown(
            f"{badge} **{labels.group(*group)}**  \n"
            f"{format.percent(level)} costs {rise} ({least} – {most})  \n"
            f"{labels.FORECAST} {missing_map.badge(smap)} :small[KL {_kl_band(forecast)}]"
        )


def _kl_band(forecast: Forecast) -> str:
    return (
        f"{format.kl(forecast.kl)} ({format.kl(forecast.kl_low)}\u00a0–\u00a0{format.kl(forecast.kl_high)})"
    )
