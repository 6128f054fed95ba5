"""Every measured method on the same axes. Data in, figure out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from pruning.ui.data.results import Result
from pruning.ui.shared import charts
from pruning.ui.shared.label_layout import NARROW, Axis, text_positions
from pruning.ui.text import format, labels
from pruning.ui.text import methods as method_words

SYMBOL = {
    "unstructured": "circle",
    "n:m": "diamond",
    "block": "square",
    "neurons": "triangle-up",
    "heads": "pentagon",
    "kv_groups": "hexagon",
    "layers": "star",
    "mixed": "cross",
}
TICKS = [step * 10.0**power for power in range(-6, 3) for step in (1, 2, 5)]
NAMED, HEIGHT = 6, 460  # of many results so many are named


def figure(results: Sequence[Result], chosen: str | None) -> go.Figure:
    """Measured KL (nats per token) against sparsity (%): a colour for each criterion, a shape for each
    structure; trained ones are hollow. The points that nothing beats are joined and named.

    `chosen` is the id of the result with a ring around it.
    """
    drawn = go.Figure()
    front = frontier(results)
    drawn.add_scatter(
        x=[100 * result.figures["sparsity"] for result in front],
        y=[result.figures["kl"] for result in front],
        mode="lines",
        line={"color": charts.REST, "width": 1, "dash": "dot"},
        name="Best at their share",
        hoverinfo="skip",
        showlegend=len(front) > 1,
    )
    for structure in SYMBOL:
        for criterion in (*labels.CRITERION_NAME, None):
            same = [
                result
                for result in results
                if result.structure == structure and _criterion(result) == criterion
            ]
            _add(drawn, structure, criterion, same)
    few = results if len(results) <= NAMED else front[:: -(-len(front) // NAMED)]
    named = {result.id for result in few}
    shown = [result for result in results if result.id in named or result.id == chosen]
    widest = max((result.figures["sparsity"] for result in results), default=0.0)
    across, up = Axis(0.0, 108 * widest + 1, NARROW), _height_of([r.figures["kl"] for r in results])
    _label(drawn, shown, chosen, (across, up))
    drawn.update_xaxes(title="Share of the prunable weights removed (%)", range=[across.low, across.high])
    logarithmic(drawn)
    drawn.update_yaxes(range=[math.log10(up.low), math.log10(up.high)])
    return charts.calm(drawn, HEIGHT)


def _height_of(kls: Sequence[float]) -> Axis:
    """The KL axis: between two ticks, so that few points that lie close still show how high they are."""
    drawn = [kl for kl in kls if kl > 0] or [TICKS[-1]]
    low = max(tick for tick in TICKS if tick <= max(min(drawn) / 1.1, TICKS[0]))
    high = min(tick for tick in TICKS if tick >= min(1.1 * max(drawn), TICKS[-1]))
    return Axis(low / 1.1, high * 1.1, HEIGHT - 100, log=True)


def logarithmic(figure: go.Figure) -> go.Figure:
    """A KL axis with figures at 1, 2 and 5 of every power of ten; returns the same figure."""
    figure.update_yaxes(
        title="Measured KL (nats per token, logarithmic)",
        type="log",
        tickvals=TICKS,
        ticktext=[format.tick(tick) for tick in TICKS],
    )
    return figure


def frontier(results: Sequence[Result]) -> list[Result]:
    """The Pareto front by sparsity: what none beats with as much sparsity (to a thousandth) and less KL."""
    kept: list[Result] = []
    for result in sorted(results, key=lambda r: (-round(r.figures["sparsity"], 3), r.figures["kl"])):
        if not kept or result.figures["kl"] < kept[-1].figures["kl"]:
            kept.append(result)
    return kept[::-1]


def _criterion(result: Result) -> str | None:
    return (
        result.criterion
        if result.structure != "layers" and result.criterion in labels.CRITERION_NAME
        else None
    )


def _add(drawn: go.Figure, structure: str, criterion: str | None, same: Sequence[Result]) -> None:
    """The points of one structure and criterion; those that were trained are a trace of their own."""
    shape, name = SYMBOL[structure], method_words.STRUCTURE[structure]
    name = f"{name} · {labels.CRITERION_NAME[criterion]}" if criterion else name
    for trained in (False, True):
        shown = [result for result in same if (result.recovery is not None) == trained]
        if not shown:
            continue
        drawn.add_scatter(
            x=[100 * result.figures["sparsity"] for result in shown],
            y=[result.figures["kl"] for result in shown],
            mode="markers",
            name=f"{name}, trained" if trained else name,
            marker={
                "color": charts.CRITERION_COLOUR.get(criterion or "", charts.REST),
                "symbol": f"{shape}-open" if trained else shape,
                "size": 11,
                "line": {"width": 2.5 if trained else 0},
            },
            customdata=[
                [result.id, result.name, format.perplexity(result.figures["perplexity"])] for result in shown
            ],
            hovertemplate="<b>%{customdata[1]}</b><br>measured KL %{y:.3g} nats per token<br>%{x:.1f} % "
            "removed<br>perplexity %{customdata[2]}<extra></extra>",
        )


def _label(drawn: go.Figure, named: Sequence[Result], chosen: str | None, axes: tuple[Axis, Axis]) -> None:
    """Names beside points where there is room for them, the chosen one's first, and a ring around that."""
    named = sorted(named, key=lambda result: result.id != chosen)
    points = [(100 * result.figures["sparsity"], float(result.figures["kl"])) for result in named]
    names = [result.name for result in named]
    sides = text_positions(points, names, *axes)
    drawn.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="markers+text",
        text=[name if side else "" for name, side in zip(names, sides, strict=True)],
        textposition=[side or "middle right" for side in sides],
        textfont={"size": 12},
        marker={
            # A ring that is not seen still keeps the name off the point.
            "size": [20 if result.id == chosen else 13 for result in named],
            "opacity": [1 if result.id == chosen else 0 for result in named],
            "symbol": "circle-open",
            "color": charts.HERE,
            "line": {"width": 2},
        },
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
