"""The Impact page's chart: size against what it costs, a marker for each technique."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from pruning.ui.shared import charts
from pruning.ui.text import format

OURS, GUIDES = "#0072B2", "#D55E00"
SIDES = ("middle right", "middle left")


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
    dense = rows[0]
    figure = go.Figure()
    # Rows of one size lie above one another: from the lowest up their names take turns at the sides.
    order = sorted(rows, key=lambda row: row[field])
    sides = {row["name"]: SIDES[index % 2] for index, row in enumerate(order)}
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
            text=[f"{row['title']} {format.percent(row['share'])}" for row in side],
            textposition=[sides[row["name"]] for row in side],
            textfont={"size": 12},
            hovertemplate=f"%{{text}}<br>%{{x:.0f}} MB<br>measured {metric} %{{y:.3g}}<extra></extra>",
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
    sizes = [row["bytes"] / 1e6 for row in rows] + [dense["dense_bytes"] / 1e6]
    room = 0.25 * (max(sizes) - min(sizes))
    figure.update_xaxes(
        title="Size, with zeros left out as in a compact file (MB)",
        range=[min(sizes) - room, max(sizes) + room],
    )
    unit = "KL to the unpruned model (nats per token)" if metric == "KL" else "Perplexity"
    lines = _lines([row[field] for row in rows])
    figure.update_yaxes(title=unit, type="log", tickvals=lines, ticktext=[f"{value:,g}" for value in lines])
    return charts.calm(figure, 460)


def _lines(values: Sequence[float]) -> list[float]:
    """1, 3, 10, 30, … from below the smallest value to above the largest one; fewer where they lie far apart.

    What is 0 has no place on a logarithmic axis.
    """
    there = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(there))), math.ceil(math.log10(max(there)))
    between = (1, 3) if high - low < 4 else (1,)
    powers = range(low, high + 1, 1 + (high - low) // 8)
    return [float(f"{times}e{power}") for power in powers for times in between]
