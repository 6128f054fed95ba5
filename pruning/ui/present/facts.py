"""From results to the facts of a presentation: plain words, sums in one line, nothing made up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pruning.planning.cost.written import file_bytes
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.forecast.verdict import (
    MEASURED,
    Verdict,
    forecast_verdict,
    measured_verdict,
)
from pruning.planning.recipe.plan import KINDS, Plan, format_settings
from pruning.planning.report.content import SAYS, SIGN
from pruning.planning.report.presentation import Bar, Facts, Figure, Judged, Meaning, Part, Spoken
from pruning.ui.text import format, sizes
from pruning.wording import counted

READS = ("qkv", "attn_out")
EIGHT = "eight times out of ten"


@dataclass(frozen=True)
class Assumptions:
    """What the user supposes: `price` of a GB of memory a month, how many copies run, GB free on a device."""

    title: str = ""
    price: float = 5.0
    currency: str = "€"
    copies: int = 10
    memory: float = 4.0


@dataclass(frozen=True)
class Results:
    """What there is about a plan: its forecast; its figures as the task `measure` gives them, and an answer
    with and without it as the task `generate` gives it, where there are any."""

    forecast: Forecast
    measured: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None


def facts(model: str, smap: SensitivityMap, plan: Plan, results: Results, assumptions: Assumptions) -> Facts:
    """What can be said of a plan: from its measurement where there is one, else from its forecast.

    Parameters
    ----------
    model
        Reference of the model; of a folder only the name is told, since the file may go to strangers.
    smap
        The map that the forecast comes from; its dense figures are those before pruning.
    plan
        Sparsity of each group, 0..1.
    results
        Figures of the plan, in bytes, shares 0..1 and perplexity.
    assumptions
        What only the user can know; 0 leaves one out.

    Returns
    -------
    Facts
        Texts for readers, each figure marked as measured or forecast.
    """
    forecast, truth, answer = results.forecast, results.measured, results.answer
    before, after = float(smap.dense["bytes"]), float(file_bytes(truth) if truth else forecast.file_bytes)
    compact = float(truth["bytes"] if truth else forecast.bytes)
    bars = [Bar("Before", format.size(before), 1.0, "measured")]
    source = "measured" if truth else "forecast"
    name = short_name(model)
    bars.append(Bar("After", format.size(after), after / before, source))
    if compact < after:
        bars.append(Bar("As a compact file", format.size(compact), compact / before, source))
    return Facts(
        title=assumptions.title.strip() or default_title(model),
        model=f"the {name}" if model == "demo" else name,
        figures=(_size(before, after, compact, source), _speed(), _same_word(forecast, truth)),
        judged=_judged(measured_verdict(truth) if truth else forecast_verdict(forecast)),
        bars=tuple(bars),
        source=source,
        parts=_parts(smap, plan),
        meanings=_meanings(before, after, compact, assumptions),
        assumptions=_assumed(assumptions),
        spoken=spoken(answer) if answer else None,
        record=_record(name, smap, plan, forecast, truth),
    )


def short_name(reference: str) -> str:
    """A model's name without its folder or owner."""
    return "demo model" if reference == "demo" else reference.rstrip("/\\").replace("\\", "/").split("/")[-1]


def _size(before: float, after: float, compact: float, source: str) -> Figure:
    """What the written model takes: first the ordinary folder, then a compact file where that is smaller."""
    basis = (
        "Counted in the pruned model."
        if source == "measured"
        else "Counted from the plan, so there is no range."
    )
    if after < before:
        return Figure(sizes.less(after, before), "smaller than before, on disk and in memory", source, basis)
    says = "for the model folder, as before"
    if compact < after:
        says += f"; {format.size(compact)} as a compact file, {sizes.less(compact, after)} less"
    return Figure(format.size(after), says, source, basis)


def default_title(model: str) -> str:
    """What the presentation is called until it is given a title."""
    return f"A pruned {short_name(model)}"


def _speed() -> Figure:
    return Figure(
        "1.0×",
        "as fast as before",
        "forecast",
        "Zeros save no time: today's programs take as long over a zero as over any other number. There "
        "is no range.",
    )


def _same_word(forecast: Forecast, truth: dict[str, Any] | None) -> Figure:
    says = "times it gives the same next word as before"
    if truth:
        tokens = f" at {counted(truth['tokens'], 'place')}" if truth.get("tokens") else ""
        basis = f"Tried on real text{tokens}; the forecast was {_in_100(forecast.agreement)}."
        return Figure(_in_100(truth["agreement"]), says, "measured", basis)
    low, high = _in_100(forecast.agreement_low), _in_100(forecast.agreement_high)
    basis = f"Worked out, not tried yet. Between {low} and {high}, {EIGHT}."
    return Figure(_in_100(forecast.agreement), says, "forecast", basis)


def _judged(verdict: Verdict) -> Judged:
    says = SAYS[verdict.worst]
    if verdict.best != verdict.worst:
        says = f"How its answers read must be tried: {verdict.level}."
    if verdict.source != MEASURED:
        basis = "Worked out from how far its predictions drift; its answers were not tried."
        return Judged(SIGN[verdict.worst], says, basis, "forecast")
    # KL is for specialists.
    reasons = "; ".join(reason for reason in verdict.reasons if not reason.startswith("KL"))
    return Judged(SIGN[verdict.worst], says, f"{reasons[:1].upper()}{reasons[1:]}.", "measured")


def _in_100(share: float) -> str:
    times = format.whole_percent(share)
    if times == 100 and share < 1:
        return "over 99 in 100"
    return "under 1 in 100" if times == 0 and share > 0 else f"{times} in 100"


def _parts(smap: SensitivityMap, plan: Plan) -> tuple[Part, ...]:
    layers = sorted({layer for layer, _ in smap.groups})
    kinds = [kind for kind in KINDS if any(name == kind for _, name in smap.groups)]
    return tuple(
        Part(kind in READS, tuple(plan.get((layer, kind), 0.0) for layer in layers)) for kind in kinds
    )


# ---- money and devices ------------------------------------------------------------------------------


def _meanings(before: float, after: float, compact: float, assumptions: Assumptions) -> tuple[Meaning, ...]:
    """What is saved in memory, where a zero takes as much room as any other number, and on the way there."""
    meanings = []
    if assumptions.price > 0 and assumptions.copies > 0:
        meanings.append(_money(before - after, assumptions))
    if assumptions.memory > 0:
        meanings.append(_devices(before, after, assumptions.memory))
    if compact < after:
        meanings.append(_compact(after, compact))
    return tuple(meanings)


def _compact(after: float, compact: float) -> Meaning:
    return Meaning(
        f"{format.size(after - compact)} less to keep and to send as a compact file",
        f"{format.size(after)} - {format.size(compact)} a copy. It is unpacked before it runs, and then "
        "takes as much disk and memory as before.",
    )


def _money(saved: float, assumptions: Assumptions) -> Meaning:
    if saved <= 0:
        return Meaning(
            "Memory costs as much as before",
            "Once the model is loaded, a zero takes as much memory as any other number: "
            f"0 GB less a copy × {counted(assumptions.copies, 'copy', 'copies')} × "
            f"{_price(assumptions.price, assumptions.currency)} a GB and month = nothing less",
        )
    month = saved / 1e9 * assumptions.price * assumptions.copies
    total = _price(month, assumptions.currency)
    return Meaning(
        f"{total} less a month for memory",
        f"{_gb(saved)} less a copy × {counted(assumptions.copies, 'copy', 'copies')} × "
        f"{_price(assumptions.price, assumptions.currency)} a GB and month = about {total} a month",
    )


def _devices(before: float, after: float, memory: float) -> Meaning:
    old, new = (math.floor(memory * 1e9 / size) for size in (before, after))
    line = f"{memory:g} GB ÷ {_gb(before)} a copy = {old}; {memory:g} GB ÷ {_gb(after)} a copy = {new}"
    if old == new == 0:
        return Meaning(f"It still does not fit into {memory:g} GB", line)
    if old == 0:
        return Meaning(f"It did not fit into {memory:g} GB, and now it does", line)
    than_before = "as before" if old == new else f"instead of {old}"
    return Meaning(
        f"{counted(new, 'copy', 'copies')} fit{'s' if new == 1 else ''} into one device, {than_before}", line
    )


def _assumed(assumptions: Assumptions) -> tuple[str, ...]:
    lines = []
    if assumptions.price > 0 and assumptions.copies > 0:
        lines.append(f"{_price(assumptions.price, assumptions.currency)} a month for one GB of memory")
        lines.append(
            f"{counted(assumptions.copies, 'copy', 'copies')} of the model "
            f"{'is' if assumptions.copies == 1 else 'are'} running"
        )
    if assumptions.memory > 0:
        lines.append(f"{assumptions.memory:g} GB of memory are free on a device")
    return tuple(lines)


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


def _price(value: float, currency: str) -> str:
    return f"{value:,.2f} {currency}".strip()


# ---- words ------------------------------------------------------------------------------------------


def spoken(answer: dict[str, Any]) -> Spoken:
    """A stored answer for readers: the part both share ends where a word begins."""
    place = answer["first_difference"]
    before, after = (_whole(answer, name) for name in ("dense", "pruned"))
    if place is None or before == after:
        return Spoken(answer["prompt"], before, after, len(before))
    shared = "".join(answer["dense_tokens"][:place]).lstrip()
    within_a_word = any(text[len(shared) : len(shared) + 1].isalnum() for text in (before, after))
    if within_a_word and shared and not shared[-1].isspace():
        shared = shared.removesuffix(shared.split()[-1])
    return Spoken(answer["prompt"], before, after, len(shared))


def _whole(answer: dict[str, Any], name: str) -> str:
    text = str(answer[name])
    return text if answer[f"{name}_ended"] else f"{text} …"


def _record(
    name: str, smap: SensitivityMap, plan: Plan, forecast: Forecast, truth: dict[str, Any] | None
) -> str:
    dense = format.perplexity(smap.dense["perplexity"])
    expected = format.perplexity(forecast.perplexity)
    low, high = format.perplexity(forecast.perplexity_low), format.perplexity(forecast.perplexity_high)
    figure = format.perplexity(truth["perplexity"]) if truth else f"{expected} ({low} – {high})"
    kind = f"measured; the forecast was {expected}" if truth else "forecast"
    settings = ", ".join(format_settings(plan, smap.groups))
    return (
        f"Model {name}, fingerprint {smap.fingerprint}. Plan {settings}, weights chosen by "
        f"{smap.criterion}. {format.percent(forecast.sparsity)} of the prunable weights are zero. Perplexity "
        f"{dense} before (measured), {figure} after ({kind}). Made with Prunescope."
    )
