"""From results to the facts of a presentation: plain words, sums in one line, nothing made up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast.predict import Forecast, SensitivityMap
from pruning.planning.recipe.plan import KINDS, Plan, format_settings
from pruning.ui.present.html import Facts, Figure, Meaning, Part, Spoken
from pruning.ui.text import format

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


def facts(
    model: str,
    smap: SensitivityMap,
    plan: Plan,
    seen: Forecast,
    truth: dict[str, Any] | None,
    supposed: Assumptions,
    answer: dict[str, Any] | None,
) -> Facts:
    """What can be said of a plan: from its measurement (`truth`) where there is one, else its forecast.

    `model` is a reference; of a folder only the name is told, since the file may go to strangers.
    """
    before, after = float(smap.dense["bytes"]), float(truth["bytes"] if truth else seen.bytes)
    source = "measured" if truth else "forecast"
    name = short_name(model)
    return Facts(
        title=supposed.title.strip() or f"A smaller {name}",
        model=f"the {name}" if model == "demo" else name,
        figures=(_smaller(after / before, source), _speed(), _same_word(seen, truth)),
        before=format.size(before),
        after=format.size(after),
        share=after / before,
        source=source,
        parts=_parts(smap, plan),
        meanings=_meanings(before, after, supposed),
        assumptions=_assumed(before, supposed),
        spoken=spoken(answer) if answer else None,
        record=_record(name, smap, plan, seen, truth),
    )


def short_name(reference: str) -> str:
    """A model's name without its folder or owner."""
    return "demo model" if reference == "demo" else reference.rstrip("/\\").replace("\\", "/").split("/")[-1]


def _smaller(share: float, source: str) -> Figure:
    gone = 1 - share
    value = "under 1 %" if 0 < gone < 0.005 else format.percent(gone)
    known = (
        "Counted in the pruned model."
        if source == "measured"
        else "Counted from the plan, so there is no range."
    )
    return Figure(value, "smaller, stored without the zeros", source, known)


def _speed() -> Figure:
    return Figure(
        "1.0×",
        "as fast as before",
        "forecast",
        "Leaving out numbers saves space, not time: today's programs take as long over a zero as over "
        "any other number. There is no range.",
    )


def _same_word(seen: Forecast, truth: dict[str, Any] | None) -> Figure:
    says = "times it gives the same next word as before"
    if truth:
        tokens = f" at {truth['tokens']:,} places" if truth.get("tokens") else ""
        return Figure(_in_100(truth["agreement"]), says, "measured", f"Tried on real text{tokens}.")
    low, high = _in_100(seen.agreement_low), _in_100(seen.agreement_high)
    known = f"Worked out, not tried yet. Between {low} and {high}, {EIGHT}."
    return Figure(_in_100(seen.agreement), says, "forecast", known)


def _in_100(share: float) -> str:
    times = round(100 * share)
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


def _meanings(before: float, after: float, supposed: Assumptions) -> tuple[Meaning, ...]:
    found = []
    if supposed.price > 0 and supposed.copies > 0:
        found.append(_money(before - after, supposed))
    if supposed.memory > 0:
        found.append(_devices(before, after, supposed.memory))
    return tuple(found)


def _money(saved: float, supposed: Assumptions) -> Meaning:
    month = saved / 1e9 * supposed.price * supposed.copies
    total = _price(month, supposed.currency)
    return Meaning(
        f"{total} less a month for memory",
        f"{_gb(saved)} less a copy × {_copies(supposed.copies)} × "
        f"{_price(supposed.price, supposed.currency)} a GB and month = about {total} a month",
    )


def _devices(before: float, after: float, memory: float) -> Meaning:
    old, new = (math.floor(memory * 1e9 / size) for size in (before, after))
    line = f"{memory:g} GB ÷ {_gb(before)} a copy = {old}; {memory:g} GB ÷ {_gb(after)} a copy = {new}"
    if old == new == 0:
        return Meaning(f"It still does not fit into {memory:g} GB", line)
    if old == 0:
        return Meaning(f"It did not fit into {memory:g} GB, and now it does", line)
    than_before = "as before" if old == new else f"instead of {old}"
    return Meaning(f"{_copies(new)} fit{'s' if new == 1 else ''} into one device, {than_before}", line)


def _assumed(before: float, supposed: Assumptions) -> tuple[str, ...]:
    found = []
    if supposed.price > 0 and supposed.copies > 0:
        found.append(f"{_price(supposed.price, supposed.currency)} a month for one GB of memory")
        found.append(f"{_copies(supposed.copies)} of the model are running")
    if supposed.memory > 0:
        found.append(f"{supposed.memory:g} GB of memory are free on a device")
    if found:
        found.append(
            "The software reads a model stored without its zeros; in an ordinary file it stays at "
            f"{format.size(before)}"
        )
    return tuple(found)


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


def _price(value: float, currency: str) -> str:
    return f"{value:,.2f} {currency}".strip()


def _copies(number: int) -> str:
    return "1 copy" if number == 1 else f"{number:,} copies"


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


def _record(name: str, smap: SensitivityMap, plan: Plan, seen: Forecast, truth: dict[str, Any] | None) -> str:
    dense = format.perplexity(smap.dense["perplexity"])
    kind = "measured" if truth else "forecast"
    figure = truth["perplexity"] if truth else seen.perplexity
    band = (
        ""
        if truth
        else f" ({format.perplexity(seen.perplexity_low)} – {format.perplexity(seen.perplexity_high)})"
    )
    settings = ", ".join(format_settings(plan, smap.groups))
    return (
        f"Model {name}, fingerprint {smap.fingerprint}. Plan {settings}, weights chosen by "
        f"{smap.criterion}. {format.percent(seen.sparsity)} of the prunable weights are zero. Perplexity "
        f"{dense} before (measured), {format.perplexity(figure)}{band} after ({kind}). Made with Prunescope."
    )
