"""Figures of a plan in words for people who know nothing of machine learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.verdict import BROKEN, MEASURED, NOTICEABLE, SAFE, Verdict
from pruning.planning.recipe.mix import unit_part, weight_part
from pruning.planning.recipe.plan import Plan
from pruning.planning.report.screen import Figure, Spoken
from pruning.wording import counted, less, percent, size, whole_percent

SIGN = {SAFE: "✓", NOTICEABLE: "!", BROKEN: "✕"}
SAYS = {
    SAFE: "Its answers read like those of the model before.",
    NOTICEABLE: "Its answers are noticeably worse than before.",
    BROKEN: "Its answers are broken: some run in circles or make no sense.",
}


@dataclass(frozen=True)
class Speed:
    """Times as fast as the unpruned model, writing and reading; whether that rests on what was `timed` here,
    and then the share by which it may be off."""

    decode: float
    prefill: float
    timed: bool
    band: float = 0.0


def done(model: str, plan: Plan, share: float, cut: bool) -> str:
    """What was done, in a sentence: `share` of the prunable weights went, out of the file if it is `cut`."""
    ways = [
        *(["cut out"] if cut and unit_part(plan) else []),
        *(["set to zero"] if not cut or weight_part(plan) else []),
    ]
    were = "was" if whole_percent(share) == 1 else "were"
    return (
        f"A language model is a very long list of numbers. Of {model}, the {percent(share)} that matter "
        f"least {were} {' or '.join(ways)}. Here is what that does."
    )


def smaller(before: float, after: float, compact: float, source: str) -> Figure:
    """What the written model takes: the ordinary folder, then a compact file where that is smaller."""
    basis = f"Counted {'in the pruned model' if source == 'measured' else 'from the plan'}."
    if after < before:
        says = f"smaller, on disk and in memory: {size(after)}, was {size(before)}"
        return Figure(less(after, before), says, source, basis)
    says = "for the model folder, as before"
    if compact < after:
        says += f"; {size(compact)} as a compact file, {less(compact, after)} less"
    return Figure(size(after), says, source, basis)


def faster(speed: Speed | None, cut: bool) -> Figure:
    """Times as fast; where nothing was cut out, just as fast as before."""
    if not cut:
        why = "Zeros save no time: today's programs take as long over a zero as over any other number."
        return Figure("1.0×", "as fast as before", "forecast", why)
    if speed is None:
        return Figure("–", "its speed is not known yet", "not tried", "Time the model under Model.")
    about = f", give or take {percent(speed.band)}" if speed.band else ""
    basis = f"From times on this machine{about}." if speed.timed else "By its maker's figures or operations."
    says = f"as fast as before when it writes, {speed.prefill:.2f}× when it reads"
    return Figure(f"{speed.decode:.2f}×", says, "forecast" if speed.timed else "estimate", basis)


def judged(verdict: Verdict) -> Figure:
    """How good its answers are: a sign, a sentence, the reasons."""
    says = SAYS[verdict.worst]
    if verdict.best != verdict.worst:
        says = "How its answers read must be tried."
    value = f"{SIGN[verdict.worst]} {verdict.level}"
    if verdict.source != MEASURED:
        basis = "Worked out from how far its predictions drift; its answers were not tried."
        return Figure(value, says, "forecast", basis)
    # KL is for specialists.
    reasons = "; ".join(reason for reason in verdict.reasons if not reason.startswith("KL"))
    return Figure(value, says, "measured", f"{reasons[:1].upper()}{reasons[1:]}.")


def same_word(truth: Mapping[str, Any] | None, forecast: Forecast | None) -> Figure:
    """How often it gives the same next word as before: measured where it was, else forecast."""
    says = "times it gives the same next word as before"
    if truth is not None:
        tokens = f" at {counted(truth['tokens'], 'place')}" if truth.get("tokens") else ""
        before = f"; the forecast was {in_100(forecast.agreement)}" if forecast else ""
        return Figure(in_100(truth["agreement"]), says, "measured", f"Tried on real text{tokens}{before}.")
    if forecast is None:
        return Figure("–", says, "not tried", "Measure the plan to know.")
    low, high = in_100(forecast.agreement_low), in_100(forecast.agreement_high)
    return Figure(in_100(forecast.agreement), says, "forecast", f"Between {low} and {high}.")


def questions(now: float | None, before: float | None) -> Figure:
    """Questions with a known answer that it gets right, as shares 0..1 now and before."""
    was = f"; before {in_100(before)}" if before is not None else ""
    if now is None:
        says = f"questions answered right are not known yet{was}"
        return Figure("–", says, "not tried", "Measure the plan to know.")
    says = f"questions answered right{was}"
    return Figure(in_100(now), says, "measured", "Facts, sums, grammar, reading and the like.")


def questions_before(figures: Mapping[str, Any]) -> float | None:
    """The unpruned model's share, from a measurement that held both models' answers side by side."""
    behaviour = figures.get("behaviour") or {}
    asked = behaviour.get("questions")
    return behaviour["questions_right"] / asked if asked else None


def in_100(share: float) -> str:
    """A share as a number of times in a hundred; never 0 or 100 where it is not just that."""
    times = whole_percent(share)
    if times == 100 and share < 1:
        return "over 99 in 100"
    return "under 1 in 100" if times == 0 and share > 0 else f"{times} in 100"


def spoken(answer: Mapping[str, Any]) -> Spoken:
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


def _whole(answer: Mapping[str, Any], name: str) -> str:
    text = str(answer[name])
    return text if answer[f"{name}_ended"] else f"{text} …"
