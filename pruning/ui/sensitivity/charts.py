"""The Sensitivity page's curves: of single groups, and of criteria; lines are named at their end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from pruning.ui.sensitivity.heat import LEAST
from pruning.ui.shared import charts
from pruning.ui.shared.charts import Line, Points
from pruning.ui.text import format, labels

METRICS = ("KL", "Perplexity")
CRITERIA_HEIGHT, CURVES_HEIGHT = 320, 440
LINE_OF_TEXT = 17  # pixels
DECADES = 4  # a logarithmic axis shows no more than this, so that no line is flattened


def curves(
    lines: Sequence[Line], measured: Sequence[Points], metric: str = "KL", mark: float | None = None
) -> go.Figure:
    """Cost against level for single groups: forecast lines with bands, measured points on them.

    x is the level (0..1), y KL in nats per token or perplexity. Line and points of one name share a colour.
    """
    figure = go.Figure()
    colour = {line.name: charts.CURVES[i % len(charts.CURVES)] for i, line in enumerate(lines)}
    _draw(figure, lines, measured, colour)
    if mark is not None:
        figure.add_vline(x=100 * mark, line_width=1, line_dash="dot", line_color=charts.REST)
    values = [y for line in lines for y in line.y] + [y for points in measured for y in points.y]
    high = max([*values, *(y for line in lines for y in line.high), LEAST[metric]]) * 1.04
    low = 0.0 if metric == "KL" else min(values, default=0.0) - 0.04 * (high - min(values, default=0.0))
    figure.update_xaxes(title="Share of the group that goes (%)", range=[0, 92], dtick=10)
    figure.update_yaxes(title=_axis(metric), range=[low, high])
    charts.calm(figure, CURVES_HEIGHT, legend=False)
    names = [(line.name, line.y[-1], colour[line.name]) for line in lines]
    return _named_at_the_end(figure, names, (low, high), CURVES_HEIGHT)


def criteria(
    lines: Sequence[Line], measured: Sequence[Points], metric: str, dense: float, mark: float | None = None
) -> go.Figure:
    """Cost against level, a line with its band for each criterion; y is logarithmic where costs differ much.

    `dense` is the unpruned model's perplexity.
    """
    figure = go.Figure()
    colour = {labels.CRITERION_NAME[key]: shade for key, shade in charts.CRITERION_COLOUR.items()}
    _draw(figure, lines, measured, colour)
    low, high = _span(lines, metric, dense)
    log = high / low > 3
    if mark is not None:
        figure.add_vline(x=100 * mark, line_width=1, line_dash="dot", line_color=charts.REST)
    figure.update_xaxes(title="Weights set to zero (%)", range=[0, 92], dtick=10)
    figure.update_yaxes(title=_axis(metric))
    if log:
        ticks = _log_ticks(low, high)
        figure.update_yaxes(
            type="log",
            range=[math.log10(low), math.log10(high)],
            tickvals=ticks,
            ticktext=[_amount(v, metric) for v in ticks],
        )
    else:
        figure.update_yaxes(range=[low, high])
    charts.calm(figure, CRITERIA_HEIGHT, legend=False)
    scale = math.log if log else float
    names = [(line.name, scale(max(line.y[-1], low)), colour[line.name]) for line in lines]
    return _named_at_the_end(figure, names, (scale(low), scale(high)), CRITERIA_HEIGHT)


# ---- parts ------------------------------------------------------------------------------------------


def _draw(
    figure: go.Figure, lines: Sequence[Line], measured: Sequence[Points], colour: Mapping[str, str]
) -> None:
    for line in lines:
        x = [100 * level for level in line.x]
        charts.band(figure, x, line, colour[line.name])
        figure.add_scatter(
            x=x,
            y=line.y,
            mode="lines",
            name=line.name,
            showlegend=False,
            line={"color": colour[line.name], "width": 2.5},
            hovertemplate=f"{line.name}<br>%{{x:.0f}} % · forecast %{{y:.3g}}<extra></extra>",
        )
    for points in measured:
        figure.add_scatter(
            x=[100 * level for level in points.x],
            y=points.y,
            mode="markers",
            name=f"{points.name}, measured",
            showlegend=False,
            marker={
                "color": colour.get(points.name, charts.HERE),
                "size": 10,
                "line": {"width": 2, "color": "white"},
            },
            hovertemplate=f"{points.name}<br>%{{x:.0f}} % · measured %{{y:.3g}}<extra></extra>",
        )


def _named_at_the_end(
    figure: go.Figure,
    names: Sequence[tuple[str, float, str]],
    axis: tuple[float, float],
    height: int,
) -> go.Figure:
    """Write each line's name (name, y where it ends, colour) at the right, moved apart where ends meet."""
    low, high = axis
    gap = LINE_OF_TEXT / (height - 60)
    ends = [(min(max((y - low) / (high - low), 0.0), 1.0), name, colour) for name, y, colour in names]
    for place, (_, name, colour) in zip(
        _apart([end for end, _, _ in ends], gap), sorted(ends, key=lambda end: end[0]), strict=True
    ):
        figure.add_annotation(
            text=f'<span style="color:{colour}"><b>━</b></span> {name}',
            x=1.01,
            y=place,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="middle",
            showarrow=False,
        )
    longest = max((len(name) for name, _, _ in names), default=0)
    return figure.update_layout(margin_r=30 + 7 * longest)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """The places 0..1 in rising order, moved as little as needed to stand `gap` apart and end by 1."""
    moved: list[float] = []
    for place in sorted(places):
        moved.append(max(place, moved[-1] + gap) if moved else place)
    limit = 1.0
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    return moved


def _span(lines: Sequence[Line], metric: str, dense: float) -> tuple[float, float]:
    """What a chart of criteria shows of y: all lines, as long as they are within `DECADES`."""
    every = [y for line in lines for y in (*line.y, *line.low, *line.high) if y > 0]
    high = 1.05 * max(every, default=1.0)
    if metric == "KL":
        return max(min(every, default=0.1), high / 10**DECADES) / 1.05, high
    return 0.97 * min([dense, *every]), min(high, 1000 * dense)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values over a logarithmic axis; plotly's own are bare digits."""
    decades = math.log10(high / low)
    within: tuple[float, ...] = (1, 3) if decades <= 3 else (1,)
    if decades < 1.8:
        within = (1, 1.5, 2, 3, 5, 7) if decades < 0.9 else (1, 2, 5)
    steps = [m * 10.0**e for e in range(-9, 14) for m in within]
    return [float(f"{value:.2g}") for value in steps if low <= value <= high]


def _amount(value: float, metric: str) -> str:
    return format.tick(value if metric == "KL" or value < 10 else round(value))


def _axis(metric: str) -> str:
    return "KL (nats per token)" if metric == "KL" else "Perplexity (lower is better)"
