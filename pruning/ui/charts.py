"""Data in, figure out: pure functions that know nothing of pages, sessions or stores.

Every axis names its unit. A forecast is a line with a band, a measurement is a round marker. A kind keeps
its colour on every chart; colours are Okabe and Ito's, the heat map is Cividis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go

from pruning.plan import KINDS, Group
from pruning.ui import words

COLOUR = {"qkv": "#0072B2", "attn_out": "#56B4E9", "gate": "#E69F00", "up": "#CC79A7", "down": "#009E73"}
REST = "#9AA5B1"
HERE = "#D55E00"
CURVES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
METRICS = ("KL", "Perplexity")
# Below this a cost is as good as none, and gets the darkest colour.
LEAST = {"KL": 1e-6, "Perplexity": 0.01}
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
                name=words.kind(kind),
                marker_color=COLOUR[kind],
                hovertemplate=f"{words.group('%{x}', kind)}<br>%{{y:.3g}} M parameters<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.15, showlegend=False)
    figure.update_xaxes(title="Layer", dtick=_tick(len(layers)))
    figure.update_yaxes(title="Parameters (millions)")
    return calm(figure, 260, legend=False)


def totals(parameters: Mapping[str, int], rest: int) -> go.Figure:
    """Where a model's parameters are: one bar for each kind, and one for what is never pruned."""
    rows = [(words.kind(kind), parameters[kind], COLOUR[kind]) for kind in KINDS if parameters.get(kind)]
    rows.append(("Embeddings, norms, rest", rest, REST))
    whole = sum(row[1] for row in rows)
    figure = go.Figure(
        go.Bar(
            x=[row[1] / 1e6 for row in rows],
            y=[row[0] for row in rows],
            orientation="h",
            marker_color=[row[2] for row in rows],
            text=[f"{words.count(row[1])} · {words.percent(row[1] / whole)}" for row in rows],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="Parameters (millions)", range=[0, max(row[1] for row in rows) / 1e6 * 1.4])
    return calm(figure, 260, legend=False)


def heat(
    groups: Sequence[Group], values: Sequence[float], metric: str = "KL", selected: Sequence[Group] = ()
) -> go.Figure:
    """Forecast cost of every group at one level: KL in nats per token, or how many percent perplexity rises.

    Layers run to the right, kinds down; colour is logarithmic, brighter = more sensitive. A nearly
    transparent marker lies on every cell, because clicks on a heat map itself do not reach Python; it
    becomes the outline of a `selected` cell.
    """
    layers = sorted({layer for layer, _ in groups})
    kinds = [kind for kind in KINDS if any(name == kind for _, name in groups)]
    value = {group: float(v) for group, v in zip(groups, values, strict=True)}
    floor = LEAST[metric]
    grid = [[np.log10(max(value.get((la, kind), np.nan), floor)) for la in layers] for kind in kinds]
    # One group that costs next to nothing must not use up the colours of all others.
    low, high = float(np.nanpercentile(grid, 3)), float(np.nanmax(grid))
    steps = (1, 10) if high - low > 4 else (1, 3) if high - low > 1.2 else (1, 2, 3, 5, 7)
    ticks = [t for e in range(-12, 8) for m in steps if low <= (t := e + float(np.log10(m))) <= high]
    rows = [words.kind(kind) for kind in kinds]
    figure = go.Figure(
        go.Heatmap(
            x=layers,
            y=rows,
            z=grid,
            zmin=low,
            zmax=max(high, low + 0.1),
            colorscale="Cividis",
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            colorbar={
                "title": {"text": _unit(metric), "side": "right"},
                "thickness": 10,
                "outlinewidth": 0,
                "tickvals": ticks,
                "ticktext": [_tick_text(float(f"{10**t:.1g}"), metric) for t in ticks],
            },
        )
    )
    _touch(figure, value, metric, selected)
    edges = [min(layers) - 0.5, max(layers) + 0.5]
    figure.update_xaxes(title="Layer", dtick=_tick(len(layers)), showgrid=False, zeroline=False, range=edges)
    figure.update_yaxes(range=[len(kinds) - 0.5, -0.5], showgrid=False)
    return calm(figure, 60 + 40 * len(kinds), legend=False)


def _touch(figure: go.Figure, value: Mapping[Group, float], metric: str, selected: Sequence[Group]) -> None:
    """A marker on every cell, nearly transparent until it is selected."""
    cells = list(value)
    figure.add_scatter(
        x=[layer for layer, _ in cells],
        y=[words.kind(kind) for _, kind in cells],
        mode="markers",
        marker={
            "symbol": "square-open",
            "size": 25,
            "opacity": 0.01,
            "color": HERE,
            "line": {"width": 4, "color": HERE},
        },
        selectedpoints=[index for index, cell in enumerate(cells) if cell in set(selected)],
        selected={"marker": {"opacity": 1.0}},
        unselected={"marker": {"opacity": 0.01}},
        customdata=[[layer, kind] for layer, kind in cells],
        text=[_cell_text(group, value[group], metric) for group in cells],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def curves(
    lines: Sequence[Line], measured: Sequence[Points], metric: str = "KL", mark: float | None = None
) -> go.Figure:
    """Cost against level for single groups: forecast lines with bands, measured points on them.

    x is the level (0..1), y KL in nats per token or perplexity. Line and points of one name share a colour.
    """
    figure = go.Figure()
    colour = {line.name: CURVES[i % len(CURVES)] for i, line in enumerate(lines)}
    for line in lines:
        band(figure, [100 * x for x in line.x], line, colour[line.name])
        figure.add_scatter(
            x=[100 * x for x in line.x],
            y=line.y,
            mode="lines",
            name=line.name,
            line={"color": colour[line.name], "width": 2.5},
            hovertemplate=f"{line.name}<br>%{{x:.0f}} % · forecast %{{y:.3g}}<extra></extra>",
        )
    for points in measured:
        figure.add_scatter(
            x=[100 * x for x in points.x],
            y=points.y,
            mode="markers",
            name=f"{points.name}, measured",
            marker={
                "color": colour.get(points.name, HERE),
                "size": 10,
                "line": {"width": 2, "color": "white"},
            },
            hovertemplate=f"{points.name}<br>%{{x:.0f}} % · measured %{{y:.3g}}<extra></extra>",
        )
    if mark is not None:
        figure.add_vline(x=100 * mark, line_width=1, line_dash="dot", line_color=REST)
    figure.update_xaxes(title="Weights of the group set to zero (%)", range=[0, 97], dtick=10)
    figure.update_yaxes(title=_axis(metric), rangemode="tozero" if metric == "KL" else "normal")
    return calm(figure, 340)


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
                name=words.kind(kind),
                marker_color=COLOUR[kind],
                hovertemplate=f"{words.group('%{x}', kind)}<br>forecast %{{y:.3g}} nats/token<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(title="Layer", dtick=_tick(len(layers)))
    figure.update_yaxes(title="Forecast KL (nats per token)", rangemode="tozero")
    return calm(figure, 260)


def abilities(rows: Sequence[tuple[str, Mapping[str, float]]]) -> go.Figure:
    """Share of questions answered right, by capability. `rows` are (name of the model, capability → 0..1)."""
    figure = go.Figure()
    names = sorted({capability for _, shares in rows for capability in shares})
    for (name, shares), colour in zip(rows, (REST, HERE, *CURVES), strict=False):
        figure.add_bar(
            x=[100 * shares.get(capability, 0.0) for capability in names],
            y=[capability.replace("_", " ").capitalize() for capability in names],
            name=name,
            orientation="h",
            marker_color=colour,
            text=[f"{100 * shares.get(capability, 0.0):.0f} %" for capability in names],
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
        fill="toself",
        fillcolor=_faint(colour),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        name=f"{line.name} band",
    )


def _unit(metric: str) -> str:
    return "KL, nats per token" if metric == "KL" else "Perplexity, % more"


def _axis(metric: str) -> str:
    return "KL (nats per token)" if metric == "KL" else "Perplexity (lower is better)"


def _tick_text(value: float, metric: str) -> str:
    return f"{value:g}" if metric == "KL" else f"+{value:g} %"


def _cell_text(group: Group, value: float, metric: str) -> str:
    amount = f"KL {words.kl(value)} nats/token" if metric == "KL" else f"perplexity +{value:.2g} %"
    return f"{words.group(*group)}<br>forecast {amount}"


def _tick(layers: int) -> int:
    return 1 if layers <= 16 else 2 if layers <= 32 else 5 if layers <= 60 else 10


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


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
        dragmode="pan",
    )
    figure.update_xaxes(automargin=True, fixedrange=False)
    figure.update_yaxes(automargin=True, fixedrange=False)
    return figure
