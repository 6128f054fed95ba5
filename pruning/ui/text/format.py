"""Numbers and names for people: counts, bytes, shares, times and figures, rounded to what matters."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pruning.planning.recipe.plan import format_layers
from pruning.wording import (
    fixed,
    kl,
    large,
    percent,
    perplexity,
    power_of_ten,
    seconds,
    size,
    three_figures,
    whole_percent,
)

__all__ = [
    "count",
    "file_stem",
    "fixed",
    "kl",
    "large",
    "layers",
    "milliseconds",
    "more",
    "percent",
    "perplexity",
    "plain",
    "seconds",
    "short",
    "size",
    "tick",
    "whole_percent",
]


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
            return f"{three_figures(value / limit)} {unit}"
    return f"{value:,.0f}"


def tick(value: float) -> str:
    """A round number on an axis or a colour bar: 0.03, 2,000, "5 million", "1 × 10⁻⁵"."""
    if value >= 1e6:
        return large(value).replace(".0 ", " ")
    return power_of_ten(value, 0) if 0 < value < 1e-4 else f"{value:,g}"


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def more(share: float) -> str:
    """A rise of perplexity in words: 0.038 → "about 3.8 % more perplexity"."""
    if share < 0.001:
        return "less than 0.1 % more perplexity"
    return f"about {percent(share, 1 if share < 0.1 else 0)} more perplexity"


def layers(numbers: Iterable[int]) -> str:
    """Layer numbers as short ranges: [0, 1, 2, 7] → "0–2, 7"."""
    return format_layers(numbers).replace("-", "–").replace(",", ", ")


def file_stem(reference: str) -> str:
    """A model's name as it can begin a file's: the last part of its reference, in plain letters."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", reference.rstrip("/").split("/")[-1]).strip("-") or "model"
