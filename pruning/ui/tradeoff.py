"""The figure of quality against size: presets as curves, this plan, pins and measurements as marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pruning.ui import charts, words


def tradeoff(
    lines: Sequence[charts.Line],
    here: charts.Line | None,
    marks: Sequence[charts.Points],
    dense: tuple[float, float],
) -> go.Figure:
    """Perplexity against size: forecast curves of the presets, this plan, pins and what was measured.

    x is bytes, y perplexity (logarithmic). `here` is one point with its band. `dense` is the unpruned model.
    """
    figure = go.Figure()
    for line, colour in zip(lines, (charts.CURVES[0], charts.CURVES[2], charts.CURVES[3]), strict=False):
        x = [value / 1e6 for value in line.x]
        charts.band(figure, x, line, colour)
        figure.add_scatter(
            x=x,
            y=line.y,
            mode="lines",
            name=f"{line.name} (forecast)",
            line={"color": colour, "width": 2, "dash": line.dash},
            hovertemplate=f"{line.name}<br>%{{x:.0f}} MB · forecast perplexity %{{y:.4g}}<extra></extra>",
        )
    figure.add_scatter(
        x=[dense[0] / 1e6],
        y=[dense[1]],
        mode="markers+text",
        name="Unpruned (measured)",
        text=["unpruned"],
        textposition="bottom left",
        marker={"color": charts.REST, "size": 10},
        hovertemplate="Unpruned<br>%{x:.0f} MB · measured perplexity %{y:.4g}<extra></extra>",
        showlegend=False,
    )
    if here is not None:
        _here(figure, here)
    for points in marks:
        _marks(figure, points)
    _axes(figure, lines, here, marks, dense)
    return charts.calm(figure, 330)


def _here(figure: go.Figure, here: charts.Line) -> None:
    up, down = here.high[0] - here.y[0], here.y[0] - here.low[0]
    figure.add_scatter(
        x=[here.x[0] / 1e6],
        y=here.y,
        error_y={
            "type": "data",
            "array": [up],
            "arrayminus": [down],
            "color": charts.HERE,
            "thickness": 2,
        },
        mode="markers+text",
        name="This plan (forecast)",
        text=["this plan"],
        textposition="bottom left",
        textfont={"color": charts.HERE},
        marker={"symbol": "diamond", "size": 15, "color": charts.HERE},
        hovertemplate="This plan<br>%{x:.0f} MB · forecast perplexity %{y:.4g}<extra></extra>",
        showlegend=False,
    )


def _axes(
    figure: go.Figure,
    lines: Sequence[charts.Line],
    here: charts.Line | None,
    marks: Sequence[charts.Points],
    dense: tuple[float, float],
) -> None:
    """Show what is worth showing: a hopeless plan far up must not flatten the rest."""
    top = _top(here, marks, dense)
    low, high = dense[1] * 0.8, top
    sizes = [x for line in lines for x, y in zip(line.x, line.y, strict=True) if y <= top]
    sizes += [dense[0], *(here.x if here else ())]
    pad = 0.06 * (max(sizes) - min(sizes)) or 1.0
    figure.update_xaxes(
        title="Size of the weights, zeros stored sparsely (MB)",
        range=[(min(sizes) - pad) / 1e6, (max(sizes) + pad) / 1e6],
    )
    figure.update_yaxes(title="Perplexity (lower is better)", type="log", **_log_ticks(low, high))


def _marks(figure: go.Figure, points: charts.Points) -> None:
    measured = points.name == "Measured"
    figure.add_scatter(
        x=[value / 1e6 for value in points.x],
        y=points.y,
        mode="markers" if measured else "markers+text",
        name=points.name,
        text=points.labels,
        textposition="top right",
        marker={
            "symbol": "circle" if measured else "star-diamond-open",
            "size": 10,
            "color": charts.REST if not measured else "#009E73",
            "line": {"width": 2, "color": "white" if measured else charts.REST},
        },
        hovertemplate=f"{points.name} · %{{text}}<br>%{{x:.0f}} MB · perplexity %{{y:.4g}}<extra></extra>",
    )


def _top(here: charts.Line | None, marks: Sequence[charts.Points], dense: tuple[float, float]) -> float:
    """The highest perplexity worth showing: two and a half times the unpruned one, or what plans need."""
    shown = [*(here.high if here else ()), *(v for points in marks for v in points.y if v < 30 * dense[1])]
    return max([dense[1] * 2.5, *(1.15 * value for value in shown)])


def _log_ticks(low: float, high: float) -> dict[str, object]:
    """Round tick values over the shown range; plotly's own logarithmic ticks are bare digits."""
    within = (1, 1.5, 2, 3, 4, 5, 6, 8) if high / low < 6 else (1, 2, 3, 5)
    steps = [m * 10.0**e for e in range(-1, 14) for m in within]
    inside = [value for value in steps if low <= value <= high]
    if len(inside) > 8:
        inside = inside[:: len(inside) // 6]
    return {
        "tickvals": inside,
        "ticktext": [words.perplexity(v).removesuffix(".0") for v in inside],
        "range": [float(np.log10(low)), float(np.log10(high))],
    }
