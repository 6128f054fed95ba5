"""The figure of what one capability leans on: layers to the right, kinds down. Pure: data in, figure out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pruning.planning.recipe.plan import KINDS, Group
from pruning.ui.shared import charts
from pruning.ui.text import format, labels

BESIDE, ALONE = "Beside the others", "On its own"
# Beyond this many times the others' share, or under one in so many, colours do not tell any further.
MOST_TIMES = 4.0
LEAST_SHARE, MOST_SHARE = 0.001, 0.05


def leaning(
    groups: Sequence[Group],
    shares: np.ndarray,
    others: np.ndarray,
    way: str = BESIDE,
    outlined: Sequence[Group] = (),
) -> go.Figure:
    """Every group's share of what a capability loses, as a heat map: layers to the right, kinds down.

    Colour is logarithmic, darker = more. Beside the others: how many times their mean share it is. On its
    own: the share itself.

    Parameters
    ----------
    groups
        The map's groups [groups].
    shares
        Share of the capability's loss in each group [groups], adding up to 1.
    others
        Mean share of the other capabilities' loss [groups], adding up to 1.
    way
        `BESIDE` or `ALONE`.
    outlined
        Groups with a frame.
    """
    layers = sorted({layer for layer, _ in groups})
    kinds = [kind for kind in KINDS if any(name == kind for _, name in groups)]
    place = {group: row for row, group in enumerate(groups)}
    least, most = (1 / MOST_TIMES, MOST_TIMES) if way == BESIDE else (LEAST_SHARE, MOST_SHARE)
    values = shares / np.maximum(others, 1e-12) if way == BESIDE else shares
    logs = np.log(np.clip(values, least, most))
    cells = [[place.get((layer, kind)) for layer in layers] for kind in kinds]
    figure = go.Figure(
        go.Heatmap(
            x=layers,
            y=list(range(len(kinds))),
            z=[[None if row is None else float(logs[row]) for row in line] for line in cells],
            text=[
                ["" if row is None else _said(groups[row], shares[row], others[row]) for row in line]
                for line in cells
            ],
            zmin=math.log(least),
            zmax=math.log(most),
            colorscale=list(charts.DAMAGE),
            showscale=False,
            xgap=1,
            ygap=1,
            hovertemplate="%{text}<extra></extra>",
        )
    )
    for layer, kind in outlined:
        _frame(figure, layer, kinds.index(kind))
    _axes(figure, layers, kinds)
    return charts.calm(figure, 64 + 21 * len(kinds), legend=False)


def _frame(figure: go.Figure, layer: int, row: int) -> None:
    figure.add_shape(
        type="rect",
        x0=layer - 0.5,
        x1=layer + 0.5,
        y0=row - 0.5,
        y1=row + 0.5,
        line={"color": charts.PICKED, "width": 2.5},
    )


def _axes(figure: go.Figure, layers: Sequence[int], kinds: Sequence[str]) -> None:
    edges = [min(layers) - 0.55, max(layers) + 0.55]
    figure.update_xaxes(
        title="Layer", dtick=2 * charts.tick(len(layers)), showgrid=False, zeroline=False, range=edges
    )
    figure.update_yaxes(
        tickvals=list(range(len(kinds))),
        ticktext=[labels.SHORT_KIND.get(kind, kind) for kind in kinds],
        range=[len(kinds) - 0.45, -0.55],
        showgrid=False,
        zeroline=False,
    )


def _said(group: Group, share: float, other: float) -> str:
    times = f"{share / max(other, 1e-12):.2g} times the others' {format.percent(other, 1)}"
    return f"{labels.group(*group)}<br>forecast {format.percent(share, 1)} of what is lost<br>{times}"


def key(way: str) -> str:
    """What the colours mean, as HTML: a strip from the least to the most, with words at its ends."""
    colours = ", ".join(charts.DAMAGE)
    first, last = (
        ("a quarter of the others' share, or less", f"{MOST_TIMES:g} times it, or more")
        if way == BESIDE
        else (
            f"{format.percent(LEAST_SHARE)} of what is lost, or less",
            f"{format.percent(MOST_SHARE)}, or more",
        )
    )
    filled = f"border-radius:0.2rem;background:linear-gradient(to right, {colours})"
    strip = f"flex:none;width:min(9rem, 20vw);height:0.7rem;{filled}"
    mark = f"flex:none;width:0.9rem;height:0.9rem;border:2.5px solid {charts.PICKED}"
    together = "display:flex;gap:0.5rem;align-items:center"
    return (
        f'<div style="{together};flex-wrap:wrap;column-gap:1.5rem;font-size:0.875rem">'
        f'<span style="{together}"><b>{charts.DAMAGE_TITLE}</b> {first}'
        f'<span style="{strip}"></span>{last}</span>'
        f'<span style="{together}"><span style="{mark}"></span>'
        "where its share is most above the others'</span></div>"
    )
