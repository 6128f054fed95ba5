"""Data in, figure out: pure functions that know nothing of pages, sessions or stores.

Every axis names its unit. A forecast is a line with a band, a measurement is a round marker. A kind keeps
its colour on every chart, and so does a criterion; colours are Okabe and Ito's. Amounts have one scale for
damage and another for sparsity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go

from pruning.planning.recipe.plan import KINDS, Group
from pruning.ui.text import format, labels

COLOUR = {
    "qkv": "#0072B2",
    "attn_out": "#56B4E9",
    "gate": "#E69F00",
    "up": "#CC79A7",
    "down": "#009E73",
    # Units: tones that stand out from a white ground and from a dark one.
    "layers": "#7D8794",
    "heads": "#7A6BD1",
    "kv_groups": "#A8456B",
    "neurons": "#8F9A27",
}
REST = "#9AA5B1"
HERE = "#D55E00"
CURVES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
CRITERION_COLOUR = {
    "fisher": "#0072B2",
    "sparsegpt": "#7A6A00",
    "corrected": "#5D3A9B",
    "wanda": "#D55E00",
    "magnitude": "#CC79A7",
    "l2": "#8C5A75",
    "taylor": "#009E73",
    "snip": "#56B4E9",
    "gradient": "#E69F00",
    "random": "#9AA5B1",
}
# The two scales, each from little to much. Warm is what hurts, blue is what was removed; lightness alone
# tells their steps apart as well, and both ends stand out from a white ground and from a dark one.
DAMAGE, DAMAGE_TITLE = (
    (
        "#F6E1C2",
        "#F5CA99",
        "#F1B470",
        "#EA9B55",
        "#E2813F",
        "#D66831",
        "#C74F2C",
        "#B73829",
        "#A32B2A",
        "#8F1D2B",
    ),
    "Damage",
)
SPARSITY, SPARSITY_TITLE = (
    (
        "#DAEBF3",
        "#BDDBEA",
        "#9FCCE1",
        "#82B9D7",
        "#64A6CD",
        "#4C93C1",
        "#3A80B3",
        "#296DA3",
        "#215B92",
        "#184A80",
    ),
    "Removed",
)
PICKED = "#0B84D8"  # the frame of a picked cell, which the scale of damage never comes near
BARE = {"displayModeBar": False, "scrollZoom": False}


@dataclass(frozen=True)
class Line:
    """A forecast: x, and y with its band (the band may be left out)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dash: str = "solid"


@dataclass(frozen=True)
class Points:
    """Measured values, or single marks on a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[str] = field(default_factory=tuple)


def composition(parts: Sequence[tuple[int, str, int]]) -> go.Figure:
    """Parameters by layer, stacked by kind. `parts` are (layer, kind, parameters)."""
    figure = go.Figure()
    layers = sorted({layer for layer, _, _ in parts})
    for kind in KINDS:
        sizes = dict.fromkeys(layers, 0)
        for layer, name, parameters in parts:
            if name == kind:
                sizes[layer] += parameters
        if any(sizes.values()):
            figure.add_bar(
                x=layers,
                y=[sizes[layer] / 1e6 for layer in layers],
                name=labels.kind(kind),
                marker_color=COLOUR[kind],
                hovertemplate=f"{labels.group('%{x}', kind)}<br>%{{y:.3g}} M parameters<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.15, showlegend=False)
    figure.update_xaxes(title="Layer", dtick=tick(len(layers)))
    figure.update_yaxes(title="Parameters (millions)")
    return calm(figure, 260, legend=False)


def totals(parameters: Mapping[str, int], rest: int) -> go.Figure:
    """Where a model's parameters are: one bar for each kind, and one for what is never pruned."""
    rows = [(labels.kind(kind), parameters[kind], COLOUR[kind]) for kind in KINDS if parameters.get(kind)]
    rows.append(("Embeddings, norms, rest", rest, REST))
    whole = sum(row[1] for row in rows)
    figure = go.Figure(
        go.Bar(
            x=[row[1] / 1e6 for row in rows],
            y=[row[0] for row in rows],
            orientation="h",
            marker_color=[row[2] for row in rows],
            text=[f"{format.count(row[1])} · {format.percent(row[1] / whole)}" for row in rows],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="Parameters (millions)", range=[0, max(row[1] for row in rows) / 1e6 * 1.9])
    return calm(figure, 260, legend=False)


def damage(groups: Sequence[Group], costs: np.ndarray) -> go.Figure:
    """Where a plan's forecast damage comes from. `costs`: KL in nats per token, shape [groups]."""
    figure = go.Figure()
    layers = sorted({layer for layer, _ in groups})
    for kind in KINDS:
        share = {g[0]: float(c) for g, c in zip(groups, costs, strict=True) if g[1] == kind}
        if share:
            figure.add_bar(
                x=layers,
                y=[share.get(layer, 0.0) for layer in layers],
                name=labels.kind(kind),
                marker_color=COLOUR[kind],
                hovertemplate=f"{labels.group('%{x}', kind)}<br>"
                "forecast %{y:.3g} nats/token<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(title="Layer", dtick=tick(len(layers)))
    figure.update_yaxes(title="Forecast KL (nats per token)", rangemode="tozero")
    return calm(figure, 260)


def abilities(rows: Sequence[tuple[str, Mapping[str, float]]]) -> go.Figure:
    """Share of questions answered right, by capability. `rows` are (name of the model, capability → 0..1)."""
    figure = go.Figure()
    names = sorted({capability for _, shares in rows for capability in shares})
    for (name, shares), colour in zip(rows, (REST, HERE, *CURVES), strict=False):
        figure.add_bar(
            x=[100 * shares.get(capability, 0.0) for capability in names],
            y=[labels.capability(capability) for capability in names],
            name=name,
            orientation="h",
            marker_color=colour,
            text=[format.percent(shares.get(capability, 0.0)) for capability in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}} · {name}<br>measured %{{x:.0f}} %<extra></extra>",
        )
    figure.update_xaxes(title="Questions answered right (%)", range=[0, 108], dtick=25)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(showlegend=len(rows) > 1)
    return calm(figure, 80 + 26 * len(names) * max(1, len(rows)), legend=len(rows) > 1)


# ---- parts ------------------------------------------------------------------------------------------


def band(figure: go.Figure, x: Sequence[float], line: Line, colour: str) -> None:
    if not len(line.low):
        return
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[*line.high, *reversed(line.low)],
        mode="lines",  # with few points plotly would mark each of them
        fill="toself",
        fillcolor=faint(colour),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        name=f"{line.name} band",
    )


def tick(layers: int) -> int:
    return 1 if layers <= 16 else 2 if layers <= 32 else 5 if layers <= 60 else 10


def faint(colour: str, share: float = 0.16) -> str:
    """A colour that lets its ground through: `share` of it, 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def calm(figure: go.Figure, height: int, legend: bool = True) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 36 if legend else 8, "b": 8},
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "title": None,
            "traceorder": "normal",
        },
        hovermode="closest",
        dragmode=False,
    )
    # Fixed, so that a finger that scrolls the page does not carry a chart away.
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    return figure
