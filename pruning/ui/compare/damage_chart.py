"""The figure of damage by layer: a panel for each plan, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Group
from pruning.ui.shared import charts
from pruning.ui.text import format, labels

ACROSS = 3


def panels(groups: Sequence[Group], plans: Sequence[tuple[str, np.ndarray]]) -> go.Figure:
    """Forecast damage by layer of several plans, each (name, KL in nats per token [groups])."""
    across = 2 if len(plans) in (2, 4) else min(ACROSS, len(plans))
    down = -(-len(plans) // across)
    layers = sorted({layer for layer, _ in groups})
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes="all",
        shared_xaxes="all",
        subplot_titles=[escape(name) for name, _ in plans],
        horizontal_spacing=0.03,
        vertical_spacing=0.5 / (down + 1),
    )
    hurt = {group[1] for _, costs in plans for group, cost in zip(groups, costs, strict=True) if cost > 0}
    for number, (name, costs) in enumerate(plans):
        for kind in (kind for kind in (*KINDS, *UNIT_KINDS) if kind in KINDS or kind in hurt):
            share = {g[0]: float(c) for g, c in zip(groups, costs, strict=True) if g[1] == kind}
            if share:
                figure.add_bar(
                    x=layers,
                    y=[share.get(layer, 0.0) for layer in layers],
                    name=labels.kind(kind),
                    legendgroup=kind,
                    showlegend=number == 0,
                    marker_color=charts.COLOUR[kind],
                    hovertemplate=f"{escape(name)}<br>{labels.group('%{x}', kind)}"
                    "<br>forecast %{y:.3g} nats/token<extra></extra>",
                    row=number // across + 1,
                    col=number % across + 1,
                )
    charts.calm(figure, 90 + 200 * down)
    figure.update_layout(barmode="stack", bargap=0.15, margin={"t": 70}, legend_y=1 + 0.42 / (2 * down))
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="KL (nats per token)", col=1)
    # Also above an empty place of the last row.
    figure.update_xaxes(showticklabels=True)
    figure.update_xaxes(title="Layer", row=down)
    figure.update_annotations(font_size=14)
    return figure


def heaviest(groups: Sequence[Group], costs: np.ndarray) -> str:
    """Which layer carries most of the damage, in words. `costs` are KL in nats per token [groups]."""
    whole = float(costs.sum())
    if whole <= 0:
        return "no damage"
    by_layer: dict[int, float] = {}
    for (layer, _), cost in zip(groups, costs, strict=True):
        by_layer[layer] = by_layer.get(layer, 0.0) + float(cost)
    worst = max(by_layer, key=by_layer.__getitem__)
    return f"{format.percent(by_layer[worst] / whole)} of it in layer {worst}"
