"""Three linked panels: quality against the written file, against reading, and against writing or memory.

One Plotly figure whose panels share the axis of quality, so that a plan is at the same height in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pruning.ui.shared import charts
from pruning.ui.shared.panels.axes import (
    Budget,
    along,
    axis_id,
    budget_line,
    cost_axis,
    number_of,
    quality_axis,
    up,
)
from pruning.ui.shared.panels.points import (
    BEST,
    DENSE,
    HERE,
    MEASURED,
    PIN,
    PRESET,
    SEEN,
    PlanPoint,
)
from pruning.ui.text import panels as words

HEIGHT = 430
PANELS = ("size", "prefill", "decode")
CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    "toImageButtonOptions": {"format": "png", "filename": "plans", "scale": 2},
}
FADED = 0.2
# The browser marks a plan that is pointed at in every panel.
_link = st.components.v2.component(
    "prunescope_panel_link", js=Path(__file__).with_name("link.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Look:
    """How the points of a series look; a line joins them where there is a `dash`."""

    colour: str
    symbol: str
    size: int
    dash: str = ""


LOOK = {
    DENSE: Look("#7A8794", "star", 13),
    SEEN: Look("#009E73", "circle", 9),
    PIN: Look("#CC79A7", "square", 10),
    HERE: Look(charts.HERE, "diamond", 15),
}
# Of fronts the first is that of all kinds together, the others those of one kind alone.
FRONTS = (
    Look("#0072B2", "circle", 6, "solid"),
    Look("#56B4E9", "circle", 5, "dash"),
    Look("#E69F00", "circle", 5, "dash"),
    Look("#882255", "circle", 5, "dash"),
    Look("#44AA99", "circle", 5, "dash"),
)
PRESET_LOOKS = tuple(
    Look(charts.REST, f"triangle-{side}", 8, "dot") for side in ("up", "down", "right", "left")
)


def chart(picture: go.Figure, key: str, on_click: Callable[[str], None]) -> None:
    """Show what `figure` made; a click on a plan calls `on_click` with its point's id, as a callback."""

    def clicked() -> None:
        points = st.session_state[key]["selection"]["points"]
        named = [str(point["customdata"]) for point in points if point.get("customdata")]
        if named:
            on_click(named[0])

    with st.container(key=f"{key}_frame"):
        st.plotly_chart(
            picture,
            key=key,
            on_select=clicked,
            selection_mode=("points",),
            config=CONFIG,
            alt="Three panels with the same axis of quality: against size, against reading, against writing",
        )
        _link(key=f"{key}_link", data={"frame": f"{key}_frame"})


def figure(
    points: Sequence[PlanPoint],
    quality: str = "accuracy",
    panels: Sequence[str] = PANELS,
    budget: Budget | None = None,
) -> go.Figure:
    """The panels, side by side.

    Parameters
    ----------
    points
        What to draw, those on top last. Each marker has its point's id as `customdata`.
    quality
        One of `pruning.ui.shared.panels.points.QUALITIES`.
    panels
        Some of `pruning.ui.shared.panels.points.COSTS`.
    budget
        Draws a line; what lies beyond is grey, and plans beyond it are pale in every panel.
    """
    picture, looks = go.Figure(), _looks(points)
    for name, look in looks.items():
        group = [point for point in points if point.series == name]
        for number, cost in enumerate(panels):
            trace = _trace(group, look, quality, cost, budget)
            picture.add_trace(trace.update(xaxis=axis_id("x", number), showlegend=number == 0))
    charts.calm(picture, HEIGHT)
    rows = [[f"{axis_id('x', number)}y" for number in range(len(panels))]]
    picture.update_layout(
        grid={"rows": 1, "columns": len(panels), "xgap": 0.07, "subplots": rows},
        hoverlabel={"align": "left"},
        dragmode="zoom",
    )
    quality_axis(picture, points, quality)
    for number, cost in enumerate(panels):
        cost_axis(picture, points, cost, number)
    if budget is not None:
        budget_line(picture, quality, panels, budget, points)
    return picture


def _looks(points: Sequence[PlanPoint]) -> dict[str, Look]:
    """How each series looks, in the order of the points."""
    kinds = {point.series: point.kind for point in points}
    fronts = [name for name, kind in kinds.items() if kind == BEST]
    presets = [name for name, kind in kinds.items() if kind == PRESET]
    return {
        name: FRONTS[fronts.index(name) % len(FRONTS)]
        if kind == BEST
        else PRESET_LOOKS[presets.index(name) % len(PRESET_LOOKS)]
        if kind == PRESET
        else LOOK[kind]
        for name, kind in kinds.items()
    }


def _trace(
    group: Sequence[PlanPoint], look: Look, quality: str, cost: str, budget: Budget | None
) -> go.Scatter:
    measured = [point.figures[quality].source == MEASURED for point in group]
    allowed = [budget is None or budget.allows(point) for point in group]
    here = group[0].kind == HERE
    return go.Scatter(
        x=[along(cost, point.figures[cost].value, point.relative) for point in group],
        y=[up(quality, point.figures[quality].value) for point in group],
        yaxis="y",
        mode="lines+markers" if look.dash else "markers",
        name=group[0].series,
        legendgroup=group[0].series,
        line={"color": look.colour, "width": 2 if look.dash == "solid" else 1, "dash": look.dash or None},
        marker={
            "symbol": [look.symbol if filled else f"{look.symbol}-open" for filled in measured],
            "size": look.size,
            "color": look.colour,
            "opacity": [1.0 if within else FADED for within in allowed],
            "line": {"width": 2.5 if here else 1.5, "color": look.colour},
        },
        error_y=_bars(group, quality) if here else None,
        customdata=[point.id for point in group],
        text=[words.said(point.name, point.figures, point.relative) for point in group],
        hovertemplate="%{text}<extra></extra>",
        # What is clicked becomes this plan; no need for all others to fade.
        unselected={"marker": {"opacity": 1.0}},
    )


def _bars(group: Sequence[PlanPoint], quality: str) -> dict[str, Any] | None:
    """The band of the forecast as bars up and down."""
    figures = [point.figures[quality] for point in group]
    if any(figure.low is None or figure.high is None for figure in figures):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [up(quality, number_of(figure.high) - figure.value) for figure in figures],
        "arrayminus": [up(quality, figure.value - number_of(figure.low)) for figure in figures],
        "width": 6,
        "thickness": 2,
    }
