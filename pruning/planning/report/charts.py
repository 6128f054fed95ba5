"""The report's charts, as SVG: they need no script and no network, and printers keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pruning.planning.recipe.plan import ALL_KINDS, Plan
from pruning.wording import percent

WIDTH, ROW, LABEL, CELL_GAP = 860, 26, 110, 2
MEASURED, FORECAST = "#D55E00", "#0072B2"
_KINDS = {"kv_groups": "KV groups", "attn_out": "attn out"}


@dataclass(frozen=True)
class Band:
    """A forecast with its band and what was measured (None before), in one unit written as `text` says."""

    name: str
    unit: str
    forecast: float
    low: float
    high: float
    measured: float | None = None


def plan_chart(plan: Plan, layers: int) -> str:
    """Rows of kinds, columns of layers; the filled share of a cell goes, and is named when pointed at."""
    kinds = [kind for kind in ALL_KINDS if any(other == kind for _, other in plan)]
    cell = (WIDTH - LABEL) / layers
    parts = []
    for row, kind in enumerate(kinds):
        y = row * (ROW + 4)
        parts.append(_text(0, y + ROW - 8, _KINDS.get(kind, kind)))
        for layer in range(layers):
            level, x = plan.get((layer, kind), 0.0), LABEL + layer * cell
            box = f'x="{x:.1f}" width="{cell - CELL_GAP:.1f}"'
            high = ROW * level
            parts.append(
                f"<g><title>layer {layer}, {kind}: {percent(level)} goes</title>"
                f'<rect {box} y="{y}" height="{ROW}" fill="currentColor" fill-opacity="0.1"/>'
                f'<rect {box} y="{y + ROW - high:.1f}" height="{high:.1f}" fill="{FORECAST}"/></g>'
            )
    below = len(kinds) * (ROW + 4)
    for layer in range(0, layers, max(1, round(layers / 10))):
        parts.append(_text(LABEL + layer * cell, below + 14, str(layer)))
    return _svg(below + 22, "".join(parts), "What is pruned of each kind, layer by layer")


def band_chart(bands: Sequence[Band]) -> str:
    """A row a figure: the band as a bar, the forecast a hollow mark in it, the measurement a full one."""
    parts = []
    for row, band in enumerate(bands):
        y = row * 2 * ROW + 14
        points = [band.low, band.high, band.forecast]
        points += [] if band.measured is None else [band.measured]
        start, stop = min(points), max(points)
        room = (stop - start) or 1.0

        def place(value: float, start: float = start, room: float = room) -> float:
            return LABEL + 80 + (value - start) / room * (WIDTH - LABEL - 200)

        middle = y + ROW / 2
        parts.append(_text(0, middle + 5, f"{band.name}, {band.unit}" if band.unit else band.name))
        left, right = place(band.low), place(band.high)
        parts.append(
            f'<rect x="{left:.1f}" y="{middle - 5}" width="{right - left:.1f}" height="10" rx="5" '
            f'fill="{FORECAST}" fill-opacity="0.45"/>'
            f'<circle cx="{place(band.forecast):.1f}" cy="{middle}" r="6" fill="none" stroke="{FORECAST}" '
            'stroke-width="2.5"/>'
        )
        labels = ((left, 22, band.low), (right, 22, band.high), (place(band.forecast), -10, band.forecast))
        parts += [_text(x - 12, middle + below, f"{value:.3g}") for x, below, value in labels]
        if band.measured is not None:
            x = place(band.measured)
            parts.append(
                f'<path d="M{x:.1f} {middle - 8}l8 8l-8 8l-8 -8z" fill="{MEASURED}"/>'
                + _text(x + 10, middle - 8, f"{band.measured:.3g}")
            )
    return _svg(len(bands) * 2 * ROW + 14, "".join(parts), "Forecast with its band, and measured")


def bar_chart(values: Mapping[str, tuple[float, str]]) -> str:
    """Bars by name, each a (share 0..1 of the longest, text)."""
    parts = []
    for row, (name, (share, text)) in enumerate(values.items()):
        y, wide = row * (ROW + 6), (WIDTH - LABEL - 220) * share
        parts.append(_text(0, y + ROW - 8, name))
        parts.append(f'<rect x="{LABEL + 40}" y="{y}" width="{wide:.1f}" height="{ROW}" fill="{FORECAST}"/>')
        parts.append(_text(LABEL + 50 + wide, y + ROW - 8, text))
    return _svg(len(values) * (ROW + 6), "".join(parts), "Sizes")


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="currentColor">{escape(words)}</text>'


def _svg(high: float, inside: str, name: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high:.0f}" role="img" '
        f'aria-label="{escape(name)}">{inside}</svg>'
    )
