"""Numbers and names for people: counts, bytes, shares, times and figures, rounded to what matters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from pruning.planning.recipe.plan import format_layers


def plain(text: str) -> str:
    """A user's text, so that Markdown shows it as it is: no links, pictures or badges in a plan's name."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&^=])", r"\\\1", text)


def short(reference: str) -> str:
    """A model's name cut to what fits: of a long path the end tells more."""
    return reference if len(reference) <= 34 else f"…{reference[-33:]}"


def count(value: float) -> str:
    """A number of things for people: 134,515,008 → "135 M"."""
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{_three(value / limit)} {unit}"
    return f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes for people, decimal units: 538,090,408 → "538 MB"."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{_three(value / limit)} {unit}"
    return f"{value:,.0f} bytes"


def _three(value: float) -> str:
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return fixed(value, digits)


def fixed(value: float, digits: int) -> str:
    """A number with so many digits after the point, a half rounded away from zero, and commas.

    Python and JavaScript each round a half their own way when they print it. Both take these steps instead
    (format.js), and a half that a multiplication left a hair short is one still.
    """
    scale = 10**digits
    whole = math.floor(abs(value) * scale + 0.5 + 1e-9)
    sign = "−" if value < 0 < whole else ""
    return f"{sign}{whole / scale:,.{digits}f}"


def whole_percent(value: float) -> int:
    """A share in whole percent: 0.315 → 32. What pages and files call a level by."""
    return int(math.copysign(math.floor(abs(value) * 100 + 0.5 + 1e-9), value))


def percent(value: float, digits: int = 0) -> str:
    """A share for people: 0.314 → "31 %"; a small one keeps a digit."""
    if digits == 0 and 0 < abs(value) < 0.0095:
        digits = 1
    return f"{fixed(value * 100, digits)} %"


def large(value: float) -> str:
    """A number from a million on, in words as far as they are common: 1,234,000 → "1.2 million"."""
    for limit, unit in ((1e9, "billion"), (1e6, "million")):
        if 0.9995 * limit <= value < 999.5 * limit:
            return f"{fixed(value / limit, 1 if value < 9.95 * limit else 0)} {unit}"
    return _power(value, 1)


def tick(value: float) -> str:
    """A round number on an axis or a colour bar: 0.03, 2,000, "5 million", "1 × 10⁻⁵"."""
    if value >= 1e6:
        return large(value).replace(".0 ", " ")
    return _power(value, 0) if 0 < value < 1e-4 else f"{value:,g}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power(value: float, digits: int) -> str:
    power = math.floor(math.log10(value) + 1e-9)
    return f"{fixed(value / 10.0**power, digits)} × 10{str(power).translate(_RAISED)}"


def perplexity(value: float) -> str:
    """A perplexity with the figures that matter; a broken model's can have many digits."""
    if value >= 999_500:
        return large(value)
    return fixed(value, 0 if value >= 1000 else 1 if value >= 10 else 2)


def kl(value: float) -> str:
    """KL in nats a token with the figures that matter."""
    if 0 < value < 0.001:
        return "below 0.001"
    return (
        "0"
        if value == 0
        else f"{value:.2g}"
        if value < 0.1
        else f"{value:.3g}"
        if value < 10
        else f"{value:,.0f}"
    )


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def more(share: float) -> str:
    """A rise of perplexity in words: 0.038 → "about 3.8 % more perplexity"."""
    if share < 0.001:
        return "less than 0.1 % more perplexity"
    return f"about {percent(share, 1 if share < 0.1 else 0)} more perplexity"


def seconds(value: float) -> str:
    if value < 1:
        return "under a second"
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def layers(numbers: Iterable[int]) -> str:
    """Layer numbers as short ranges: [0, 1, 2, 7] → "0–2, 7"."""
    return format_layers(numbers).replace("-", "–").replace(",", ", ")


def file_stem(reference: str) -> str:
    """A model's name as it can begin a file's: the last part of its reference, in plain letters."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", reference.rstrip("/").split("/")[-1]).strip("-") or "model"
