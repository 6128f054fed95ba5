"""The Sensitivity page's parts: drawing a map, the heat map with its curves, measuring single groups."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.forecast import Calibration, Forecast, SensitivityMap, forecast
from pruning.plan import Group, format_layers, parse_layers
from pruning.ui import charts, services, shell, state, words

MAX_CURVES = 6


def criterion(model: services.Info, table: SensitivityMap | None, busy: bool) -> None:
    """The criterion, and the button that draws its map where there is none yet."""
    wanted = services.request("map", criterion=state.current().criterion, data=state.current().data)
    if table is not None:
        return
    with st.container(border=True):
        st.subheader("Draw the map", anchor=False)
        st.write(
            f"One look at the text forecasts what every one of the {len(model.groups)} groups would cost "
            "at nine levels. It takes about as long as ten readings of the text and changes nothing."
        )
        left, right = st.columns([2, 3], vertical_alignment="bottom")
        with left:
            _criterion_box()
        right.button(
            "Draw the map",
            type="primary",
            icon=":material/grid_on:",
            disabled=busy,
            on_click=shell.act,
            args=(lambda: services.submit(wanted),),
        )
        shell.command(wanted)


def _criterion_box() -> None:
    names = list(words.CRITERION)
    chosen = state.current().criterion
    if chosen not in names:
        st.error(f'There is no criterion "{chosen}". Choose one of {", ".join(names)}.')
    st.selectbox(
        "How weights are chosen",
        names,
        index=names.index(chosen) if chosen in names else None,
        format_func=words.CRITERION.__getitem__,
        key="criterion",
        on_change=lambda: state.change(criterion=st.session_state["criterion"]),
        help="A criterion scores each weight; the lowest scores go first.",
    )


def board(model: services.Info, table: SensitivityMap, busy: bool) -> None:
    """Heat map, curves and the measuring form, in one fragment: a click repaints only this part."""
    running = next((j for j in services.waiting_jobs() if j.request["task"] == "sweep"), None)

    @st.fragment(run_every=2 if running else None)
    def draw() -> None:
        if state.current().criterion != table.criterion:
            st.rerun()  # another criterion has another map: the whole page draws it
        known = services.measurements(model, table)
        calibration = services.calibration(table, known)
        level, metric = _controls(table)
        seen = [forecast(table, {group: level}, calibration) for group in table.groups]
        chosen = _selected(table, seen)
        _heat(table, seen, chosen, level, metric)
        left, right = st.columns([3, 2], gap="large")
        with left:
            _curves(table, calibration, chosen, level, metric)
        with right:
            _extremes(table, seen, level)
            _sweep_form(model, table, chosen, busy)

    draw()


def _controls(table: SensitivityMap) -> tuple[float, str]:
    left, middle, right = st.columns([3, 3, 2], gap="large", vertical_alignment="bottom")
    with left:
        _criterion_box()
    levels = [float(level) for level in table.levels]
    level = middle.select_slider(
        "If this share of one group went",
        levels,
        value=min(levels, key=lambda v: abs(v - 0.5)),
        format_func=words.percent,
        key="heat_level",
        persist_state="session",
    )
    metric = right.segmented_control(
        "Show",
        charts.METRICS,
        default="KL",
        required=True,
        key="heat_metric",
        persist_state="session",
        help=f"KL: {words.KL} Perplexity: {words.PERPLEXITY}",
    )
    return float(level), metric or "KL"


def _heat(
    table: SensitivityMap, seen: list[Forecast], chosen: list[Group], level: float, metric: str
) -> None:
    """The heat map. The cells outlined at first stay the same while the picture does: the browser moves the
    outline with a click, and another figure would make it draw the chart anew."""
    look = (table.fingerprint, table.criterion, table.data, level, metric, seen[0].kl)
    if st.session_state.get("heat_look") != look:
        st.session_state["heat_look"] = look
        st.session_state["heat_marked"] = chosen
    st.markdown(
        f"**Forecast cost of removing {words.percent(level)} of one group** :blue-badge[forecast] "
        ":small[Click a cell, or draw a box, to see its curve.]"
    )
    dense = table.dense["perplexity"]
    values = [f.kl if metric == "KL" else 100 * (f.perplexity / dense - 1) for f in seen]
    st.plotly_chart(
        charts.heat(table.groups, values, metric, st.session_state["heat_marked"]),
        key="heat",
        on_select=_take_selection,
        selection_mode=("points", "box"),
        config=charts.BARE,
        alt="Heat map of forecast cost, layers to the right and groups downwards",
    )


def _take_selection() -> None:
    points = st.session_state["heat"]["selection"]["points"]
    picked = [(int(p["customdata"][0]), str(p["customdata"][1])) for p in points if p.get("customdata")]
    if picked:
        st.session_state["chosen_groups"] = list(dict.fromkeys(picked))


def _selected(table: SensitivityMap, seen: list[Forecast]) -> list[Group]:
    """What was clicked; before any click the most sensitive and the most robust group."""
    chosen = [group for group in st.session_state.get("chosen_groups", []) if group in set(table.groups)]
    return chosen or [table.groups[index] for index in _ends(seen)]


def _ends(seen: list[Forecast]) -> tuple[int, int]:
    """Where the most sensitive and the most robust group are."""
    costs = [f.kl for f in seen]
    return costs.index(max(costs)), costs.index(min(costs))


def _curves(
    table: SensitivityMap,
    calibration: Calibration,
    chosen: list[Group],
    level: float,
    metric: str,
) -> None:
    shown = sorted(chosen)[:MAX_CURVES]
    lines = [_line(table, group, calibration, metric) for group in shown]
    points = services.sweep_points(table)
    field = "kl" if metric == "KL" else "perplexity"
    measured = [
        charts.Points(words.group(*g), [p["level"] for p in points[g]], [p[field] for p in points[g]])
        for g in shown
        if g in points
    ]
    count = sum(len(p.x) for p in measured)
    st.markdown(
        "**Cost at every level** :blue-badge[line: forecast with band] "
        + (f":green-badge[{count} measured points]" if count else ":gray-badge[nothing measured yet]")
    )
    st.plotly_chart(
        charts.curves(lines, measured, metric, level),
        key="curves",
        config=charts.BARE,
        alt="Forecast cost against the share removed, with measured points",
    )
    if len(chosen) > MAX_CURVES:
        st.caption(f"{len(chosen)} groups are selected; the first {MAX_CURVES} are drawn.")


def _line(table: SensitivityMap, group: Group, calibration: Calibration, metric: str) -> charts.Line:
    levels = [0.0, *map(float, table.levels)]
    seen = [forecast(table, {group: v} if v else {}, calibration) for v in levels]
    if metric == "KL":
        y, low, high = [f.kl for f in seen], [f.kl_low for f in seen], [f.kl_high for f in seen]
    else:
        y = [f.perplexity for f in seen]
        low, high = [f.perplexity_low for f in seen], [f.perplexity_high for f in seen]
    return charts.Line(words.group(*group), levels, y, low, high)


def _extremes(table: SensitivityMap, seen: list[Forecast], level: float) -> None:
    """The most sensitive and the most robust group in a sentence each."""
    for label, colour, index in zip(
        ("Most sensitive", "Most robust"), ("orange", "green"), _ends(seen), strict=True
    ):
        rise = seen[index].perplexity / table.dense["perplexity"] - 1
        st.markdown(
            f":{colour}-badge[{label}] **{words.group(*table.groups[index])}**  \n"
            f"{words.percent(level)} costs {words.more(rise)} (KL {words.kl(seen[index].kl)}, forecast)."
        )


def _sweep_form(model: services.Info, table: SensitivityMap, chosen: list[Group], busy: bool) -> None:
    """Measure single groups for real: each point prunes one group, measures, and puts everything back."""
    with st.container(border=True):
        st.markdown("**Measure these for real**")
        # The keys follow the selection, so that a click on the map fills the form anew.
        tag = "_".join(f"{layer}{kind}" for layer, kind in sorted(chosen)[:12])
        text = st.text_input(
            "Layers",
            format_layers(layer for layer, _ in chosen),
            key=f"sweep_layers_{tag}",
            help="Like 0-3,7.",
        )
        kinds = st.pills(
            "Groups",
            model.kinds,
            selection_mode="multi",
            default=[k for k in model.kinds if any(k == kind for _, kind in chosen)],
            format_func=words.kind,
            key=f"sweep_kinds_{tag}",
        )
        levels = st.pills(
            "Levels",
            [float(v) for v in table.levels],
            selection_mode="multi",
            default=[v for v in map(float, table.levels) if round(v, 2) in (0.3, 0.5, 0.7)],
            format_func=words.percent,
            key="sweep_levels",
        )
        with shell.told():
            _sweep_button(model, text, list(kinds or []), list(levels or []), busy)


def _sweep_button(model: services.Info, text: str, kinds: list[str], levels: list[float], busy: bool) -> None:
    layers = parse_layers(text)
    if layers[-1] >= model.layers:
        raise PruningError(f"There is no layer {layers[-1]}; the last one is {model.layers - 1}.")
    choice = state.current()
    wanted: dict[str, Any] = services.request(
        "sweep", criterion=choice.criterion, levels=levels, layers=layers, kinds=kinds, data=choice.data
    )
    count = len(layers) * len(kinds) * len(levels)
    if st.button(
        f"Measure {count} point{'' if count == 1 else 's'}",
        icon=":material/straighten:",
        disabled=busy or count == 0,
        key="sweep_start",
    ):
        services.submit(wanted)
        st.rerun()
    if count:
        shell.command(wanted)
