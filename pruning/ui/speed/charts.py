"""The Speed page's charts: measured speed-ups against what is pruned, and bytes in every form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pruning.planning.cost.latency_table import LAYERS, LatencyTable, speedup
from pruning.planning.cost.model_size import Size
from pruning.planning.recipe.plan import UNIT_KINDS
from pruning.ui.shared import charts
from pruning.ui.text import methods as method_words

COLOUR = dict(zip(UNIT_KINDS, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=True))
SYMBOL = dict(zip(UNIT_KINDS, ("circle", "diamond", "square", "triangle-up"), strict=True))
MOST = 0.8
PARTS = (
    ("groups", "What can be pruned", "#0072B2"),
    ("embedding", "Embeddings", "#E69F00"),
    ("head", "Head", "#009E73"),
    ("rest", "Norms and biases", charts.REST),
)


def speedups(table: LatencyTable, mode: str) -> go.Figure:
    """Times as fast as dense against the share of units pruned, all layers alike; marks are measured.

    `mode` is "prefill" or "decode".
    """
    figure = go.Figure()
    for kind in (kind for kind in UNIT_KINDS if kind in table.shares):
        marks = _marks(table, kind)
        lines = np.linspace(0, max(marks), 33) if kind == LAYERS else marks
        name = method_words.STRUCTURE[kind]
        look = {"color": COLOUR[kind], "symbol": SYMBOL[kind], "size": 9}
        at = {share: _at(table, kind, share, mode) for share in (*lines, *marks)}
        figure.add_scatter(
            x=[100 * share for share in lines],
            y=[at[share] for share in lines],
            mode="lines",
            line={"color": COLOUR[kind], "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=[100 * share for share in marks],
            y=[at[share] for share in marks],
            mode="markers",
            name=name,
            marker=look,
            hovertemplate=f"%{{x:.0f}} % of {name.lower()} gone<br>measured %{{y:.2f}}×<extra></extra>",
        )
    figure.add_hline(y=1, line={"color": charts.REST, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Gone from every layer, or of all layers (%)", range=[-2, 100 * MOST], dtick=20)
    figure.update_yaxes(title="Times as fast as unpruned", rangemode="normal")
    return charts.calm(figure, 320)


def _marks(table: LatencyTable, kind: str) -> list[float]:
    """Shares at which this kind was really timed; of layers one half was."""
    if kind == LAYERS:
        return [table.layers // 2 / table.layers]
    return [share for share in table.shares[kind] if share > 0]


def _at(table: LatencyTable, kind: str, share: float, mode: str) -> float:
    if kind == LAYERS:
        whole, saved = table.dense[mode], table.saved[mode][LAYERS][-1]
        return whole / max(whole - share * table.layers * saved, 1e-9)
    return speedup(table, {(layer, kind): share for layer in range(table.layers)}, mode)


def forms(rows: Sequence[tuple[str, Size]]) -> go.Figure:
    """Megabytes of the weights in each form, by what they belong to. Rows are (name, size)."""
    figure = go.Figure()
    for part, name, colour in PARTS:
        values = [getattr(size, part) / 1e6 for _, size in rows]
        # A tied head takes nothing, and norms next to nothing.
        if any(values):
            figure.add_bar(
                x=values,
                y=[label for label, _ in rows],
                name=name,
                orientation="h",
                marker_color=colour,
                hovertemplate=f"%{{y}}<br>{name}: %{{x:.1f}} MB<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.3)
    figure.update_xaxes(title="Weights (MB)")
    figure.update_yaxes(autorange="reversed")
    return charts.calm(figure, 90 + 38 * len(rows))
