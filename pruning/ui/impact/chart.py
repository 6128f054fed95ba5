"""The Impact page's chart: size against what it costs, a marker for each technique."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from pruning.ui.shared import charts
from pruning.ui.shared.label_layout import NARROW, Axis, text_positions
from pruning.ui.text import format

OURS, GUIDES = "#0072B2", "#D55E00"
HEIGHT = 460


def costs(rows: Sequence[Mapping[str, Any]], metric: str) -> go.Figure:
    """Measured size in MB against what it costs, on a logarithmic axis.

    Parameters
    ----------
    rows
        Rows of the task `impact`: bytes, kl in nats per token, perplexity, share pruned 0..1.
    metric
        "KL" or "Perplexity".
    """
    field = "kl" if metric == "KL" else "perplexity"
    amount = format.kl if metric == "KL" else format.perplexity
    dense = rows[0]
    figure = go.Figure()
    lines = _lines([row[field] for row in rows])
    sizes = [row["bytes"] / 1e6 for row in rows] + [dense["dense_bytes"] / 1e6]
    room = 0.25 * (max(sizes) - min(sizes)) or 1.0
    across = Axis(min(sizes) - room, max(sizes) + room, NARROW)
    shown = [*lines, *(row[field] for row in rows if row[field] > 0)]
    up = Axis(min(shown) / 1.3, max(shown) * 1.3, HEIGHT - 100, log=True)
    sides = _sides(rows, field, across, up)
    for name, colour, symbol, beside in (
        ("The guide's", GUIDES, "diamond", False),
        ("Beside the guide's", OURS, "circle", True),
    ):
        side = [row for row in rows if bool(row["beside"]) == beside]
        figure.add_scatter(
            x=[row["bytes"] / 1e6 for row in side],
            y=[row[field] for row in side],
            name=name,
            mode="markers+text",
            marker={"color": colour, "symbol": symbol, "size": 11},
            customdata=[(_name(row), amount(row[field])) for row in side],
            text=[_name(row) if sides[row["name"]] else "" for row in side],
            textposition=[sides[row["name"]] or "middle right" for row in side],
            textfont={"size": 12},
            hovertemplate="%{customdata[0]}<br>%{x:.0f} MB<br>"
            f"measured {metric} %{{customdata[1]}}<extra></extra>",
        )
    if metric == "Perplexity":
        figure.add_scatter(
            x=[dense["dense_bytes"] / 1e6],
            y=[dense["dense_perplexity"]],
            name="Unpruned",
            mode="markers",
            marker={"color": charts.REST, "symbol": "square", "size": 11},
            hovertemplate="Unpruned<br>%{x:.0f} MB<br>measured perplexity %{y:.3g}<extra></extra>",
        )
    figure.update_xaxes(
        title="Size, with zeros left out as in a compact file (MB)", range=[across.low, across.high]
    )
    unit = "KL to the unpruned model (nats per token)" if metric == "KL" else "Perplexity"
    figure.update_yaxes(
        title=unit,
        type="log",
        range=[math.log10(up.low), math.log10(up.high)],
        tickvals=lines,
        ticktext=[format.tick(value) for value in lines],
    )
    return charts.calm(figure, HEIGHT)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['title']} {format.percent(row['share'])}"


def _sides(rows: Sequence[Mapping[str, Any]], field: str, across: Axis, up: Axis) -> dict[str, str | None]:
    """On which side of its point each row's name stands; None where it would lie on another."""
    points = [(row["bytes"] / 1e6, float(row[field])) for row in rows]
    sides = text_positions(points, [_name(row) for row in rows], across, up)
    return {row["name"]: side for row, side in zip(rows, sides, strict=True)}


def _lines(values: Sequence[float]) -> list[float]:
    """1, 3, 10, 30, … from below the smallest value to above the largest one; fewer where they lie far apart.

    What is 0 has no place on a logarithmic axis.
    """
    there = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(there))), math.ceil(math.log10(max(there)))
    between = (1, 3) if high - low < 4 else (1,)
    powers = range(low, high + 1, 1 + (high - low) // 8)
    return [float(f"{times}e{power}") for power in powers for times in between]
