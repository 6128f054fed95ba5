"""The words of the panels of quality against size and time. Pure functions."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Protocol

from pruning.ui.text import format, labels
from pruning.ui.text.speed import milliseconds

QUALITY = {
    "accuracy": "Right next word",
    "agreement": "Same next word",
    "perplexity": "Perplexity",
    "kl": "KL",
}
QUALITY_AXIS = {
    "accuracy": "Right next word (%)",
    "agreement": "Same next word (%)",
    "perplexity": "Perplexity (lower is better)",
    "kl": "KL (nats per token, lower is better)",
}
QUALITY_HELP = (
    f"Right next word: {labels.ACCURACY} Same next word: {labels.AGREEMENT} "
    f"Perplexity: {labels.PERPLEXITY} KL: {labels.KL}"
)
COST = {
    "size": "Model folder",
    "compact": "Compact file",
    "prefill": "Reading a prompt",
    "decode": "Writing a word",
    "memory": "Memory while running",
}
BYTES = ("size", "compact", "memory")
COST_HELP = {
    "size": labels.SIZE,
    "compact": labels.COMPACT,
    "prefill": labels.PREFILL,
    "decode": labels.DECODE,
    "memory": "What the weights and the remembered words of a long conversation take while the model runs.",
}
TITLE = {**QUALITY, **COST}
KIND = {
    "front": "Best plans",
    "dense": "Unpruned model",
    "measured": "Measured plans",
    "pin": "Pinned plans",
    "plan": "This plan",
}
LEGEND = (
    "Filled points are measured, hollow ones forecast; bars are the band of this plan's forecast. Zeros "
    "leave the folder and times as they are, so plans of single weights stand in one line there; choose the "
    "compact file to tell them apart. Point at a plan to find it in all three, click on it to take it, draw "
    "a box to zoom in."
)
NO_DIFFERENCE = "Zeros alone change nothing here.<br>Whole heads, neurons or layers do."


def quality(name: str, *values: float) -> str:
    """A figure of quality with its unit; with two more values its band."""
    if name in ("accuracy", "agreement"):
        texts, unit = [format.fixed(100 * value, 1) for value in values], " %"
    elif name == "kl":
        texts, unit = [format.kl(value) for value in values], " nats/token"
    else:
        texts, unit = [format.perplexity(value) for value in values], ""
    band = f" ({texts[1]} – {texts[2]})" if len(texts) > 1 else ""
    return f"{texts[0]}{band}{unit}"


def cost(name: str, value: float, relative: bool) -> str:
    """A size, or a time; where times are `relative` the share of the unpruned model's."""
    if name in BYTES:
        return format.size(value)
    return f"{format.percent(value)} of unpruned" if relative else milliseconds(value)


def cost_axis(name: str, relative: bool, estimate: bool) -> str:
    """The title of an axis of cost with its unit, and that it is an estimate where it is one."""
    unit = "MB" if name in BYTES else "time, % of unpruned" if relative else "ms"
    return f"{COST[name]} ({unit}{', estimate' if estimate else ''})"


class Sourced(Protocol):
    """A number that knows where it comes from, with its band where it has one."""

    @property
    def value(self) -> float: ...
    @property
    def source(self) -> str: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def said(name: str, figures: Mapping[str, Sourced], relative: bool) -> str:
    """What a point says: its name, and every figure with its unit and where it comes from."""
    lines = [f"<b>{html.escape(name)}</b>"]
    for key, label in QUALITY.items():
        figure = figures[key]
        band = [] if figure.low is None or figure.high is None else [figure.low, figure.high]
        lines.append(f"{label}: {quality(key, figure.value, *band)}, {figure.source}")
    for key, label in COST.items():
        figure = figures[key]
        lines.append(f"{label}: {cost(key, figure.value, relative)}, {figure.source}")
    return "<br>".join(lines)


def best(share: float) -> str:
    """The name of a plan of the front."""
    return f"Best plan with {format.percent(share)} removed"


def short(settings: str) -> str:
    """A plan's settings cut to what a label holds."""
    return settings if len(settings) <= 48 else f"{settings[:47]}…"


# ---- a budget, in the unit of its axis ----------------------------------------------------------------

# What a new budget is, as a share of the unpruned model's; of KL, which it has none of, in nats per token.
FIRST = {**dict.fromkeys(COST, 0.8), "perplexity": 1.2, "kl": 0.2}
FIRST_SHARE = 0.95


def limit(axis: str) -> str:
    """The name of the field."""
    return f"{TITLE[axis]}, at {'least' if axis in ('accuracy', 'agreement') else 'most'}"


def unit(axis: str, relative: bool) -> str:
    """The unit that a budget is typed in; empty for a plain number."""
    if axis in BYTES:
        return "MB"
    if axis in ("prefill", "decode"):
        return "% of unpruned" if relative else "ms"
    return {"kl": "nats per token", "perplexity": ""}.get(axis, "%")


def scale(axis: str, relative: bool) -> float:
    """By what a typed budget is multiplied to have it in bytes, milliseconds or shares."""
    if axis in BYTES:
        return 1e6
    percent = axis in ("accuracy", "agreement") or (axis in ("prefill", "decode") and relative)
    return 0.01 if percent else 1.0


def first_budget(axis: str, dense: float, relative: bool) -> float:
    """What the field holds at first, rounded to two figures."""
    first = FIRST["kl"] if axis == "kl" else FIRST.get(axis, FIRST_SHARE) * dense
    return float(f"{first / scale(axis, relative):.2g}")
