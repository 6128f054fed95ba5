"""The Sensitivity page's parts: drawing a map, and the heat map with its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, LAYERS, Group
from pruning.ui.data import queries, requests, session, single_groups
from pruning.ui.data.single_groups import Alone
from pruning.ui.sensitivity import cells as heat_cells
from pruning.ui.sensitivity import charts as sensitivity_charts
from pruning.ui.sensitivity import sweep, table
from pruning.ui.sensitivity.cells import View
from pruning.ui.sensitivity.heat import Cell, heat
from pruning.ui.shared import charts, jobs, missing_map
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

MAX_CURVES = 6
KEPT = "Until it is drawn, what you see below is the map of {name}: another criterion takes other weights."
WAYS = {"Click": ":material/ads_click: Click a cell", "Box": ":material/select: Draw a box"}
Points = dict[Group, list[dict[str, Any]]]


def view() -> None:
    """The heat map with its curves, the form that measures, and the table."""
    busy = jobs.panel(("map", "sweep"))
    model = page_frame.require_model()
    if model is None:
        return
    smap = queries.sensitivity_map(model)
    # A new criterion empties nothing: until its map is there, that of another stays in view.
    other = None if smap else queries.other_map(model)
    if other:
        missing_map.note(other, KEPT, busy)
        board(model, other.of_weights, busy)
    elif smap:
        board(model, smap, busy)
        table.section(model, smap)
    else:
        first_map(model, busy)


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
        "Criterion: how weights are chosen",
        names,
        index=names.index(chosen) if chosen in names else None,
        format_func=labels.CRITERION.__getitem__,
        key="criterion",
        on_change=lambda: session.change(criterion=st.session_state["criterion"]),
        help="A criterion scores each weight; the lowest scores go first.",
    )


def board(model: queries.Info, smap: SensitivityMap, busy: bool) -> None:
    """Heat map, curves and the measuring form, in one fragment: a click repaints only this.

    While the session's own map is missing `smap` is another criterion's, and single groups are not measured:
    what is measured is the session's criterion.
    """
    drawn = session.current().criterion
    running = any(job.request["task"] == "sweep" for job in requests.waiting_jobs())

    mixed = queries.mixed_map(model, smap.criterion) or smap

    @st.fragment(run_every=2 if running else None)
    def draw() -> None:
        if session.current().criterion != drawn:
            st.rerun()  # another criterion has another map: the whole page draws it
        measurements = queries.measurements(model, mixed)
        single = single_groups.alone(queries.forecaster(mixed, measurements))
        points = queries.sweep_points(mixed)
        view = heat_cells.view_of(model, mixed, *_controls(mixed))
        cells = heat_cells.cells(mixed, single, points, view)
        # Units differ too much in size to be held against weights by damage alone.
        delicate = _ends({group: cell.forecast for group, cell in cells.items() if group[1] in KINDS})
        ends = delicate if view.saved is None else _ends({group: c.value for group, c in cells.items()})
        picked = [group for group in st.session_state.get("chosen_groups", []) if group in set(mixed.groups)]
        chosen = picked or ends
        weights = [group for group in chosen if group[1] in KINDS] or delicate
        _heat(mixed, cells, chosen, view)
        left, right = st.columns([3, 2], gap="large")
        with left:
            _curves(mixed, single, points, chosen, view.level, view.metric)
        with right:
            _extremes(mixed, single, ends, view)
            if not missing_map.other(smap):
                sweep.form(model, smap, weights, busy)

    draw()


def _ends(values: Mapping[Group, float]) -> list[Group]:
    """The groups of the greatest and of the least value; NaN is none."""
    there = {group: value for group, value in values.items() if not math.isnan(value)}
    return [max(there, key=there.__getitem__), min(there, key=there.__getitem__)] if there else []


def _controls(smap: SensitivityMap) -> tuple[float, str, str]:
    """The level, the metric, and whether damage alone is shown or damage for what is saved."""
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
    shown = st.segmented_control(
        "Damage, or damage for what it saves",
        heat_cells.SHOWN,
        default=heat_cells.DAMAGE,
        required=True,
        key="heat_shown",
        **session.PERSIST,
        help=heat_cells.HELP,
    )
    return float(level), metric or "KL", shown or heat_cells.DAMAGE


def _heat(smap: SensitivityMap, cells: dict[Group, Cell], chosen: list[Group], view: View) -> None:
    """The heat map. The cells outlined at first stay the same while the picture does: the browser moves the
    outline with a click, and another figure would make it draw the chart anew."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"**{_title(view, smap)}** {labels.FORECAST} {missing_map.badge(smap)} {view.source}",
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
    look = (smap.fingerprint, smap.criterion, smap.data, view.metric, view.unit, way, cells)
    if st.session_state.get("heat_look") != look:
        st.session_state["heat_look"] = look
        st.session_state["heat_marked"] = chosen
    marked = st.session_state["heat_marked"]
    st.plotly_chart(
        heat(cells, view.metric, marked, way == "Box", view.unit),
        key="heat",
        on_select=_take_selection,
        selection_mode=("points", "box"),
        config=charts.BARE,
        alt="Heat map of forecast cost, layers to the right and groups downwards",
    )


def _title(view: View, smap: SensitivityMap) -> str:
    """What the colours are, in a sentence."""
    share = format.percent(view.level)
    whole = ", or a whole layer" if "layers" in smap.kinds else ""
    per = {
        heat_cells.PER_MEGABYTE: " per megabyte that this saves",
        heat_cells.PER_TIME: " per time a word saved",
    }
    return f"Forecast cost of removing {share} of one group{whole}{per.get(view.shown, '')}"


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


def _extremes(smap: SensitivityMap, single: Alone, ends: list[Group], view: View) -> None:
    """The two ends in a sentence each: most sensitive and most robust, or dearest and cheapest."""
    badges = (":orange-badge[Most sensitive]", ":green-badge[Most robust]")
    if view.saved is not None:
        badges = (f":orange-badge[Dearest {view.unit}]", f":green-badge[Cheapest {view.unit}]")
    for badge, group in zip(badges, ends, strict=False):
        forecast, dense = single[group, view.level], smap.dense["perplexity"]
        rise = format.more(forecast.perplexity / dense - 1)
        bounds = forecast.perplexity_low, forecast.perplexity_high
        least, most = (format.percent(bound / dense - 1) for bound in bounds)
        share = "The whole layer" if group[1] == LAYERS else format.percent(view.level)
        saved = "" if view.saved is None else f" and saves {view.saved[group]:.2g} {view.unit}"
        st.markdown(
            f"{badge} **{labels.group(*group)}**  \n"
            f"{share} costs {rise} ({least} – {most}){saved}  \n"
            f"{labels.FORECAST} {missing_map.badge(smap)} :small[KL {_kl_band(forecast)}]"
        )


def _kl_band(forecast: Forecast) -> str:
    return (
        f"{format.kl(forecast.kl)} ({format.kl(forecast.kl_low)}\u00a0–\u00a0{format.kl(forecast.kl_high)})"
    )
