"""The axes of the panels: what they show, the budget's line, and figures in the units of an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from pruning.ui.shared import charts
from pruning.ui.shared.panels.points import DENSE, ESTIMATE, HERE, PIN, SEEN, PlanPoint
from pruning.ui.text import format
from pruning.ui.text import panels as words

OWN = (SEEN, PIN, HERE)
SHARES = ("accuracy", "agreement")
# What an axis shows of quality, at least and at most: rises of perplexity as a factor, KL in nats per token.
SPAN = {"perplexity": (2.0, 30.0), "kl": (0.6, 4.0)}
# A share of right or same words is shown down to this part of the best one or further.
SPAN_BELOW = 0.7
# An axis of cost begins at this share of the unpruned model's or before.
LEAST_SHARE = 0.6
NO_DIFFERENCE = 0.005
BEYOND = "rgba(128,128,128,0.16)"


@dataclass(frozen=True)
class Budget:
    """The most of a cost (bytes, milliseconds, or the share of the unpruned model's time), or of perplexity
    or KL; of the next words right or the same the least (0..1)."""

    axis: str
    value: float

    def allows(self, point: PlanPoint) -> bool:
        """Whether the plan keeps within it."""
        value = point.figures[self.axis].value
        return value >= self.value if self.axis in SHARES else value <= self.value


def quality_axis(picture: go.Figure, points: Sequence[PlanPoint], quality: str) -> None:
    """The shared axis; a line at the height of what is pointed at runs through all panels."""
    picture.update_yaxes(
        title=words.QUALITY_AXIS[quality],
        fixedrange=False,
        showspikes=True,
        spikemode="across",
        spikesnap="hovered data",
        spikethickness=1,
        spikedash="dot",
        spikecolor=charts.HERE,
        **_quality_range(points, quality),
    )


def _quality_range(points: Sequence[PlanPoint], quality: str) -> dict[str, Any]:
    """What is shown: all that was measured or put aside and this plan, and not how far a front can fall."""
    own = [point.figures[quality] for point in points if point.kind in OWN]
    dense = next((point.figures[quality].value for point in points if point.kind == DENSE), 0.0)
    if quality in SHARES:
        top = max(dense, *(figure.value for figure in own), 0.01)
        low = min(SPAN_BELOW * top, *(number_of(figure.low or figure.value) for figure in own), top)
        return {"range": [100 * low - 5 * (top - low), min(102.0, 100 * top + 8 * (top - low))]}
    worst = max([number_of(figure.high or figure.value) for figure in own], default=0.0)
    least, most = SPAN[quality]
    if quality == "kl":
        top = min(max(1.15 * worst, least), most)
        return {"range": [-0.03 * top, top]}
    top = dense * min(max(1.15 * worst / dense, least), most)
    return {"type": "log", "range": [math.log10(0.96 * dense), math.log10(top)]} | _log_ticks(dense, top)


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    ticks = [
        tick
        for power in range(-1, 9)
        for step in (1, 1.5, 2, 3, 5, 7)
        if low <= (tick := step * 10.0**power) <= high
    ]
    return {"tickvals": ticks, "ticktext": [format.tick(tick) for tick in ticks]}


def cost_axis(picture: go.Figure, points: Sequence[PlanPoint], cost: str, number: int) -> None:
    """The axis of one panel; where all plans are alike in it a note says why."""
    shown = [(along(cost, point.figures[cost].value, point.relative), point) for point in points]
    values = [value for value, _ in shown] or [1.0]
    dense = next((value for value, point in shown if point.kind == DENSE), max(values))
    low = min(LEAST_SHARE * dense, *(value for value, point in shown if point.kind in OWN), dense)
    estimated = any(point.figures[cost].source == ESTIMATE for point in points)
    relative = any(point.relative for point in points)
    picture.update_layout(
        {
            axis_id("xaxis", number): {
                "title": words.cost_axis(cost, relative, estimated),
                "range": [low - 0.03 * dense, max(values) + 0.05 * dense],
                "fixedrange": False,
                "nticks": 6,
            }
        }
    )
    if max(values) - min(values) < NO_DIFFERENCE * dense:
        picture.add_annotation(
            text=words.NO_DIFFERENCE,
            x=0.06,
            y=0.04,
            xref=f"{axis_id('x', number)} domain",
            yref="y domain",
            xanchor="left",
            yanchor="bottom",
            align="left",
            showarrow=False,
        )


def budget_line(
    picture: go.Figure,
    quality: str,
    panels: Sequence[str],
    budget: Budget,
    points: Sequence[PlanPoint],
) -> None:
    """The budget's line, with grey beyond it."""
    line = {"color": charts.HERE, "width": 1.5, "dash": "dash"}
    beyond: dict[str, Any] = {"type": "rect", "fillcolor": BEYOND, "line_width": 0, "layer": "below"}
    if budget.axis == quality:
        at = up(quality, budget.value)
        far = -1e3 if quality in SHARES else 1e9
        for number in range(len(panels)):
            where = {"xref": f"{axis_id('x', number)} domain", "yref": "y", "x0": 0, "x1": 1}
            picture.add_shape(**beyond, y0=at, y1=far, **where)
            picture.add_shape(type="line", y0=at, y1=at, line=line, **where)
    elif budget.axis in panels:
        at = along(budget.axis, budget.value, any(point.relative for point in points))
        where = {"xref": axis_id("x", panels.index(budget.axis)), "yref": "y domain", "y0": 0, "y1": 1}
        picture.add_shape(**beyond, x0=at, x1=1e3 * at, **where)
        picture.add_shape(type="line", x0=at, x1=at, line=line, **where)


# ---- parts ------------------------------------------------------------------------------------------


def axis_id(name: str, number: int) -> str:
    """The nth axis as traces call it ("x", "x2"), or the layout ("xaxis", "xaxis2")."""
    return name if number == 0 else f"{name}{number + 1}"


def up(quality: str, value: float) -> float:
    """A figure of quality as the axis shows it: shares in percent."""
    return 100 * value if quality in SHARES else value


def along(cost: str, value: float, relative: bool) -> float:
    """A cost as its axis shows it: megabytes, milliseconds, or percent of the unpruned model's time."""
    if cost in words.BYTES:
        return value / 1e6
    return 100 * value if relative else value


def number_of(value: float | None) -> float:
    return 0.0 if value is None else value
