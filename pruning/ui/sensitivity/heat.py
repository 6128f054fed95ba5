"""The Sensitivity page's heat map: what every group costs, or costs for what it saves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pruning.planning.recipe.plan import ALL_KINDS, KINDS, UNIT_KINDS, Group
from pruning.ui.shared import charts
from pruning.ui.text import format, labels

# Costs below this are drawn as none, in the palest colour.
LEAST = {"KL": 1e-6, "Perplexity": 0.01}
ROW = 40  # pixels
GAP = " "  # the name of the empty row


@dataclass(frozen=True)
class Cell:
    """What a group costs at one level: forecast with its band, and measured where it was.

    `saved` is what the cost is divided by where that is asked for; nothing is shown where nothing is saved.
    """

    forecast: float
    band: tuple[float, float] | None = None
    measured: float | None = None
    saved: float | None = None

    @property
    def value(self) -> float:
        """What the colour says; NaN where nothing is saved."""
        if self.saved is None:
            return self.forecast
        return self.forecast / self.saved if self.saved > 0 else math.nan


def heat(
    cells: Mapping[Group, Cell],
    metric: str = "KL",
    selected: Sequence[Group] = (),
    box: bool = False,
    per: str = "",
) -> go.Figure:
    """Forecast cost of every group at one level, layers to the right and kinds down, units above weights.

    Colour is logarithmic, darker = more sensitive. A nearly transparent marker lies on every cell, because
    clicks on a heat map itself do not reach Python; it becomes the outline of a selected cell.

    Parameters
    ----------
    cells
        Cost of each group: KL in nats per token, or how many percent perplexity rises.
    metric
        "KL" or "Perplexity".
    selected
        Groups with an outline.
    box
        Whether a drawn box is sent instead of clicks: Streamlit sends one of the two.
    per
        The unit of what the costs are divided by, such as "MB"; empty where they are not.
    """
    layers = sorted({layer for layer, _ in cells})
    rows = _rows({kind for _, kind in cells})
    value = {group: cell.value for group, cell in cells.items()}
    floor = 0.0 if per else LEAST[metric]
    grid = [[_log(value.get((layer, kind), math.nan), floor) for layer in layers] for kind in rows]
    # One group that costs next to nothing must not use up the colours of all others.
    low, high = _ends(grid)
    figure = go.Figure(
        go.Heatmap(
            x=layers,
            y=[labels.kind(kind) for kind in rows],
            z=grid,
            zmin=low,
            zmax=max(high, low + 0.1),
            colorscale=list(charts.DAMAGE),
            xgap=2 if len(layers) <= 40 else 1,
            ygap=2,
            hoverinfo="skip",
            colorbar=_colour_bar(low, high, metric, per),
        )
    )
    _touch(
        figure, list(cells), [_cell_text(group, cell, metric, per) for group, cell in cells.items()], selected
    )
    edges = [min(layers) - 0.5, max(layers) + 0.5]
    figure.update_xaxes(
        title="Layer", dtick=charts.tick(len(layers)), showgrid=False, zeroline=False, range=edges
    )
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5], showgrid=False, showline=False)
    # The axes are fixed, so that a drag in Click mode does not carry the map away.
    return charts.calm(figure, 60 + ROW * len(rows), legend=False).update_layout(
        dragmode="select" if box else "pan", hoverdistance=30
    )


def _rows(present: set[str]) -> list[str]:
    """The rows from above: kinds of unit, an empty row, kinds of weights."""
    units = [kind for kind in ALL_KINDS if kind in present and kind in UNIT_KINDS]
    weights = [kind for kind in KINDS if kind in present]
    return [*units, *([GAP] if units and weights else []), *weights]


def _log(value: float, floor: float) -> float:
    """The decimal logarithm; NaN, which is drawn as nothing, for what is not there."""
    value = max(value, floor)
    return math.log10(value) if value > 0 else math.nan


def _ends(grid: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The least and the most that have a colour of their own."""
    there = [value for row in grid for value in row if not math.isnan(value)]
    return (float(np.percentile(there, 3)), max(there)) if there else (0.0, 1.0)


def _colour_bar(low: float, high: float, metric: str, per: str) -> dict[str, Any]:
    """Ticks at round costs between 10^low and 10^high."""
    steps = (1, 10) if high - low > 4 else (1, 3) if high - low > 1.2 else (1, 2, 3, 5, 7)
    ticks = [t for e in range(-12, 8) for m in steps if low <= (t := e + float(np.log10(m))) <= high]
    return {
        "title": {"text": f"{charts.DAMAGE_TITLE}: {_unit(metric, per)}", "side": "right"},
        "thickness": 10,
        "outlinewidth": 0,
        "tickvals": ticks,
        "ticktext": [_tick_text(float(f"{10**t:.1g}"), metric) for t in ticks],
    }


def _touch(
    figure: go.Figure, cells: Sequence[Group], texts: Sequence[str], selected: Sequence[Group]
) -> None:
    """A marker on every cell, nearly transparent until it is selected."""
    # No wider than a cell: where markers overlap, a click would find the wrong one.
    size = min(25, max(8, 720 // len({layer for layer, _ in cells})))
    figure.add_scatter(
        x=[layer for layer, _ in cells],
        y=[labels.kind(kind) for _, kind in cells],
        mode="markers",
        marker={
            "symbol": "square-open",
            "size": size,
            "opacity": 0.01,
            "color": charts.PICKED,
            "line": {"width": 4 if size > 15 else 3, "color": charts.PICKED},
        },
        selectedpoints=[index for index, cell in enumerate(cells) if cell in set(selected)],
        selected={"marker": {"opacity": 1.0}},
        unselected={"marker": {"opacity": 0.01}},
        customdata=[[layer, kind] for layer, kind in cells],
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _cell_text(group: Group, cell: Cell, metric: str, per: str = "") -> str:
    """What a cell says when it is pointed at: the forecast with its band, and what was measured."""

    def amount(*numbers: float) -> str:
        texts = [format.kl(number) if metric == "KL" else f"{number:+.2g} %" for number in numbers]
        band = f" ({texts[1]} – {texts[2]})" if len(texts) > 1 else ""
        return f"KL {texts[0]}{band} nats/token" if metric == "KL" else f"perplexity {texts[0]}{band}"

    text = f"{labels.group(*group)}<br>forecast {amount(cell.forecast, *(cell.band or ()))}"
    if cell.measured is not None:
        text = f"{text}<br>measured {amount(cell.measured)}"
    if cell.saved is None:
        return text
    if not cell.saved > 0:
        return f"{text}<br>saves nothing here"
    value = f"KL {cell.value:.2g}" if metric == "KL" else f"{cell.value:+.2g} %"
    return f"{text}<br>saves {cell.saved:.2g} {per}: {value} per {per}"


def _tick_text(value: float, metric: str) -> str:
    return format.tick(value) if metric == "KL" else f"+{format.tick(value)} %"


def _unit(metric: str, per: str = "") -> str:
    if per:
        return f"{'KL' if metric == 'KL' else '% more perplexity'} per {per}"
    return "KL, nats per token" if metric == "KL" else "perplexity, % more"
