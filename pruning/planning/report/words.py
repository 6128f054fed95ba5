"""Figures of a plan in words for people who know nothing of machine learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.plan_cost import PlanCost
from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.verdict import BROKEN, MEASURED, NOTICEABLE, SAFE, Verdict
from pruning.planning.recipe.mix import unit_part, weight_part
from pruning.planning.recipe.plan import Plan
from pruning.planning.report.screen import Figure, Spoken
from pruning.wording import counted, less, percent, size, whole_percent

IN_A_WORD = {SAFE: "✓ as good", NOTICEABLE: "! noticeably worse", BROKEN: "✕ broken"}
SAYS = {
    SAFE: "Its answers read like those of the model before.",
    NOTICEABLE: "Its answers are noticeably worse than before.",
    BROKEN: "Its answers are broken: some run in circles or make no sense.",
}
MILDER = "A milder plan may do, or training what is left (Fine-tune)."
SHORT = {
    SAFE: "it can stand in for the model before.",
    NOTICEABLE: f"use it only where worse answers do no harm. {MILDER}",
    BROKEN: f"not fit for use as it is. {MILDER}",
}
UNTRIED = "Measuring the plan, under Prune, tells."


@dataclass(frozen=True)
class Speed:
    """Times as fast as the unpruned model, writing and reading, and `where`: "PyTorch here", or a device's
    name; whether that rests on what was `timed`, and then the share by which it may be off."""

    decode: float
    prefill: float
    where: str
    timed: bool
    band: float = 0.0

    @classmethod
    def of(cls, cost: PlanCost, latency: LatencyTable | None, where: str) -> Speed:
        """A plan's speed, from what was timed, if anything was."""
        timed = latency is not None and cost.timed
        band = latency.band("decode") if latency is not None and timed else 0.0
        return cls(cost.decode_speedup, cost.prefill_speedup, where, timed, band)


def short_name(reference: str) -> str:
    """A model's name without its folder or owner."""
    if reference == "demo":
        return "the demo model"
    return reference.rstrip("/\\").replace("\\", "/").split("/")[-1]


def done(model: str, plan: Plan, share: float, cut: bool) -> str:
    """What was done, in a sentence: `share` of the prunable weights went, out of the file if it is `cut`."""
    ways = [
        *(["cut out"] if cut and unit_part(plan) else []),
        *(["set to zero"] if not cut or weight_part(plan) else []),
    ]
    return (
        "A language model is a very long list of numbers, and pruning takes away those that matter least. "
        f"Of {model}, {percent(share)} were {' or '.join(ways)}."
    )


def in_short(verdict: Verdict) -> str:
    """What to do with it, in a sentence."""
    if verdict.best != verdict.worst:
        return f"In short: try its answers before you decide. {UNTRIED}"
    tried = verdict.source == MEASURED
    return f"In short: {SHORT[verdict.worst]}" if tried else f"In short, probably: {SHORT[verdict.worst]}"


def smaller(before: float, after: float, compact: float, source: str) -> Figure:
    """What the written model takes: the ordinary folder, then a compact file where that is smaller."""
    basis = f"Counted {'in the pruned model' if source == 'measured' else 'from the plan'}."
    if after < before:
        says = f"on disk and in memory: {size(after)}, was {size(before)}"
        return Figure(f"{less(after, before)} smaller", says, source, basis)
    says = f"{size(after)} for the model folder, as before"
    if compact < after:
        says += f"; {size(compact)} as a compact file, {less(compact, after)} less"
    return Figure("No smaller", says, source, basis)


def faster(speed: Speed | None, cut: bool) -> Figure:
    """How much faster; where nothing was cut out, just as fast as before."""
    if not cut:
        why = "Today's programs take as long over a zero as over any other number."
        return Figure("No faster", "zeros save no time (1.0×)", "forecast", why)
    if speed is None:
        return Figure("Not tested", "its speed is not known yet", "not tried", "Time it under Model.")
    says = f"when it writes an answer; {_faster(speed.prefill)} when it reads the question"
    if not speed.timed:
        return Figure(_faster(speed.decode), says, "estimate", f"Not timed; {speed.where}.")
    low, high = (_faster(speed.decode / (1 + way * speed.band)) for way in (1, -1))
    return Figure(_faster(speed.decode), says, "forecast", f"{speed.where}: between {low} and {high}.")


def _faster(times: float) -> str:
    """Times as fast in words: 1.25 → "25 % faster"."""
    return f"{percent(abs(times - 1))} {'faster' if times >= 1 else 'slower'}"


def judged(verdict: Verdict) -> Figure:
    """How good its answers are: a sign, a sentence, the reasons."""
    if verdict.source != MEASURED:
        basis = "Worked out from how far its predictions drift; its answers were not tried."
        if verdict.best != verdict.worst:
            return Figure("? not known", "How its answers read must be tried.", "forecast", basis)
        says = SAYS[verdict.worst]
        return Figure(IN_A_WORD[verdict.worst], f"Probably i{says[1:]}", "forecast", basis)
    # KL is for specialists.
    reasons = "; ".join(reason for reason in verdict.reasons if not reason.startswith("KL"))
    basis = f"{reasons[:1].upper()}{reasons[1:]}."
    return Figure(IN_A_WORD[verdict.worst], SAYS[verdict.worst], "measured", basis)


def same_word(truth: Mapping[str, Any] | None, forecast: Forecast | None) -> Figure:
    """How often it gives the same next word as before: measured where it was, else forecast."""
    says = "next words are the same as before"
    if truth is not None:
        tokens = f" at {counted(truth['tokens'], 'place')}" if truth.get("tokens") else ""
        before = f"; the forecast was {in_100(forecast.agreement)}" if forecast else ""
        return Figure(in_100(truth["agreement"]), says, "measured", f"Tried on real text{tokens}{before}.")
    if forecast is None:
        return Figure("Not tested", says, "not tried", UNTRIED)
    low, high = in_100(forecast.agreement_low), in_100(forecast.agreement_high)
    return Figure(in_100(forecast.agreement), says, "forecast", f"Between {low} and {high}.")


def questions(now: float | None, before: float | None) -> Figure:
    """Questions with a known answer that it gets right, as shares 0..1 now and before."""
    was = f"; before {in_100(before)}" if before is not None else ""
    if now is None:
        says = f"questions it answers right{was}"
        return Figure("Not tested", says, "not tried", UNTRIED)
    says = f"questions are answered right{was}"
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
