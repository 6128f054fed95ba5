"""The presentation as HTML: one pure function from facts to a page that anybody can read.

The same body is drawn on the Present page and sent as a file. It has no script, loads nothing, and every
text in it is escaped. Pictures are SVG inside `img`, which printers keep and pages do not filter out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pruning.planning.report.screen import STYLE, Screen, first_screen, heading, mark
from pruning.planning.report.shell import shell
from pruning.planning.report.sums import Meaning
from pruning.wording import counted, whole_percent

KEPT, PRUNED = "#0072B2", 0.3
CELL, HIGH, GAP = 12, 20, 3


@dataclass(frozen=True)
class Part:
    """One kind of part of the model, and its sparsity in each layer, 0..1."""

    reads: bool
    levels: tuple[float, ...]


@dataclass(frozen=True)
class Bar:
    """A size beside others: what it is of, in words such as "538 MB", as a share of the first (0..1)."""

    label: str
    size: str
    share: float
    source: str


@dataclass(frozen=True)
class Facts:
    """Everything the presentation says; `source` is how the sizes are known."""

    screen: Screen
    bars: tuple[Bar, ...]
    source: str
    parts: tuple[Part, ...]
    meanings: tuple[Meaning, ...]
    assumptions: tuple[str, ...]
    record: str


_STYLE = """<style>
.present .bar {display: grid; grid-template-columns: 8.5rem 1fr 11rem; gap: 0.8rem; align-items: center;
  margin-bottom: 0.5rem}
.present img {display: block; width: 100%}
.present .bar img {height: 1.6rem}
.present figure {margin: 0.8rem 0}
.present figcaption {margin-bottom: 0.3rem}
.present .ends {display: flex; justify-content: space-between; font-size: 0.9rem}
.present ul {margin: 0.2rem 0 0.6rem; padding-left: 1.2rem}
.present details {margin-top: 2rem; font-size: 0.9rem}
.present summary {cursor: pointer}
@media (max-width: 760px) {.present .bar {grid-template-columns: 4rem 1fr 6rem}}
</style>"""


def document(facts: Facts) -> str:
    """The whole file to send."""
    return shell(facts.screen.title, body(facts, rank=1))


def body(facts: Facts, rank: int = 2) -> str:
    """The presentation; its title is a heading of `rank`, its parts are one below."""
    return (
        f'{STYLE}{_STYLE}<div class="present">{first_screen(facts.screen, rank)}<div class="below">'
        f"{_picture(facts, rank + 1)}{_meaning(facts, rank + 1)}"
        f"<details><summary>For specialists</summary><p>{escape(facts.record)}</p></details></div></div>"
    )


# ---- the picture ------------------------------------------------------------------------------------


def _picture(facts: Facts, rank: int) -> str:
    layers = len(facts.parts[0].levels) if facts.parts else 0
    groups = (
        ("Parts that look at the other words of a text", [p for p in facts.parts if p.reads]),
        ("Parts that work on each word by itself", [p for p in facts.parts if not p.reads]),
    )
    drawn = "".join(
        f'<figure><figcaption class="small">{text}</figcaption>{_image(grid(parts), _alt(parts))}</figure>'
        for text, parts in groups
        if parts
    )
    bars = "".join(
        f'<div class="bar"><span>{escape(each.label)}</span>{_image(bar(each.share), "")}'
        f"<span>{escape(each.size)} {mark(each.source)}</span></div>"
        for each in facts.bars
    )
    return (
        f"<section>{heading('What is removed', rank)}"
        f"{bars}"
        f'<p class="small">The model has {counted(layers, "layer")}, one after the other. Each column is a '
        f"layer, each box a part of it. The faded share of a box is cut out or set to zero.</p>{drawn}"
        '<div class="ends"><span>first layer</span><span>last layer</span></div></section>'
    )


def _image(svg: str, alt: str) -> str:
    data = b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">'


def _alt(parts: Sequence[Part]) -> str:
    levels = [level for part in parts for level in part.levels]
    low, high = whole_percent(min(levels)), whole_percent(max(levels))
    share = f"{low} %" if low == high else f"{low} to {high} %"
    return f"{counted(len(levels), 'box', 'boxes')}; in each, {share} is cut out or set to zero."


def grid(parts: Sequence[Part]) -> str:
    """Boxes, a column a layer and a row a part; the faded upper share of a box is pruned. No text."""
    boxes = []
    for row, part in enumerate(parts):
        for layer, level in enumerate(part.levels):
            x, y, pruned = layer * (CELL + GAP), row * (HIGH + GAP), HIGH * level
            boxes.append(_box(x, y, CELL, HIGH, PRUNED))
            boxes.append(_box(x, y + pruned, CELL, HIGH - pruned, 1.0))
    wide, high = len(parts[0].levels) * (CELL + GAP) - GAP, len(parts) * (HIGH + GAP) - GAP
    return _svg(wide, high, "".join(boxes))


def bar(share: float) -> str:
    """A bar of which `share` (0..1) is kept; the rest is faded."""
    return _svg(1000, 24, _box(0, 0, 1000, 24, PRUNED) + _box(0, 0, 1000 * share, 24, 1.0), stretch=True)


def _box(x: float, y: float, wide: float, high: float, opacity: float) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"'
    return f'<rect {place} fill="{KEPT}" fill-opacity="{opacity:g}"/>'


def _svg(wide: float, high: float, inside: str, stretch: bool = False) -> str:
    fit = ' preserveAspectRatio="none"' if stretch else ""
    space = "http://www.w3.org/2000/svg"
    return f'<svg xmlns="{space}" viewBox="0 0 {wide:g} {high:g}"{fit}>{inside}</svg>'


# ---- words ------------------------------------------------------------------------------------------


def _meaning(facts: Facts, rank: int) -> str:
    if not facts.meanings:
        return ""
    cards = "".join(
        f'<div class="card"><p><b>{escape(meaning.result)}</b></p>'
        f'<p class="small">{escape(meaning.sum)}</p></div>'
        for meaning in facts.meanings
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in facts.assumptions)
    assumed = f'Everything else is assumed:</p><ul class="small">{items}</ul>' if items else "</p>"
    return (
        f'<section>{heading("What that could mean", rank)}<div class="two">{cards}</div>'
        f'<p class="small" style="margin-top: 0.8rem">{mark(facts.source)} The size is {facts.source}. '
        f"{assumed}</section>"
    )
