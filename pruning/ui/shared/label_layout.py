"""Names beside the points of Plotly's charts, so that no two lie on each other: place.js for Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LETTER, LINE = 6.6, 15.0  # pixels that a letter takes on average, and a line, at size 12
AWAY, MARK = 6.0, 6.0  # from a point to its label, and half of what a point itself takes
SIDES = (
    *("middle right", "middle left", "top center", "bottom center"),
    *("top right", "top left", "bottom right", "bottom left"),
)
# The plot area of the narrowest chart at a window of 1000 pixels: where labels are apart here they are so on
# every wider one, because points move apart and letters stay as large.
NARROW = 620.0


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any place."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)


@dataclass(frozen=True)
class Axis:
    """What an axis shows, from `low` to `high`, and its length in pixels."""

    low: float
    high: float
    pixels: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in pixels from the axis's beginning."""
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        there = math.log(max(value, self.low / 10)) if self.log else value
        return self.pixels * (there - low) / ((high - low) or 1.0)


def text_positions(
    points: Sequence[tuple[float, float]], texts: Sequence[str], x: Axis, y: Axis
) -> list[str | None]:
    """Plotly's `textposition` of each label; None where no place is free, and hovering has to tell.

    A label never lies on another or on another point's mark, and stays on the plot. Earlier points choose
    first.

    Parameters
    ----------
    points
        (x, y) of each point, in the figure's units.
    texts
        The labels; an empty one takes no place.
    x, y
        The axes.
    """
    spots = [(x.at(across), y.at(up)) for across, up in points]
    area, placed = Box(0, 0, x.pixels, y.pixels), list[Box]()
    chosen: list[str | None] = []
    for number, (spot, text) in enumerate(zip(spots, texts, strict=True)):
        barred = placed + [_mark(other) for index, other in enumerate(spots) if index != number]
        free = (
            (side, box)
            for side in SIDES
            if _within(box := label_box(spot, text, side), area)
            and not any(box.meets(other) for other in barred)
        )
        best = next(free, None) if text else None
        placed += [best[1]] if best else []
        chosen.append(best[0] if best else None)
    return chosen


def label_box(spot: tuple[float, float], text: str, side: str) -> Box:
    """The place that a label takes at a side of its point."""
    (x, y), width = spot, LETTER * len(text)
    upright, _, across = side.partition(" ")
    left = {"right": x + AWAY, "left": x - AWAY - width}.get(across, x - width / 2)
    bottom = {"top": y + AWAY, "bottom": y - AWAY - LINE}.get(upright, y - LINE / 2)
    return Box(left, bottom, left + width, bottom + LINE)


def _mark(spot: tuple[float, float]) -> Box:
    x, y = spot
    return Box(x - MARK, y - MARK, x + MARK, y + MARK)


def _within(box: Box, area: Box) -> bool:
    return (
        area.left <= box.left
        and box.right <= area.right
        and area.bottom <= box.bottom
        and box.top <= area.top
    )
