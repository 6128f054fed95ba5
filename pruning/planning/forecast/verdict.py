"""Safe, noticeable or broken: what pruning does to a model's answers, measured or forecast.

The limits were chosen on plans of the demo model whose answers were read; see docs/results.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast.predict import Forecast

SAFE, NOTICEABLE, BROKEN = LEVELS = ("safe", "noticeable", "broken")
MEASURED, MEASURED_KL, FORECAST = "measured", "measured KL only", "forecast"


@dataclass(frozen=True)
class Limit:
    """From which value of a figure on a model is noticeable, and from which on broken."""

    noticeable: float
    broken: float

    def level(self, value: float) -> int:
        """The place in `LEVELS` that this value alone has."""
        return int(value >= self.noticeable) + int(value >= self.broken)


# KL in nats per token, where nothing else is known.
KL = Limit(0.03, 0.2)
# The same beside measured answers, which know better what a KL does to this model.
KL_BESIDE_ANSWERS = Limit(KL.noticeable, 1.0)
# Shares, 0..1: of the prompts, answers that fall into repetition or break off, and those that part early from
# the dense answer, which alone breaks nothing; of the questions the dense model gets right, those lost.
FAILING = Limit(0.01, 0.2)
EARLY = Limit(0.3, math.inf)
LOST = Limit(0.05, 0.2)


@dataclass(frozen=True)
class Verdict:
    """What a plan does to answers.

    Attributes
    ----------
    best, worst
        Levels, the same where the verdict is certain; those at the ends of a forecast's band.
    source
        `MEASURED`, `MEASURED_KL` where answers were not asked for or cannot be, or `FORECAST`.
    reasons
        The figures in words, those that decide first.
    """

    best: str
    worst: str
    source: str
    reasons: tuple[str, ...]

    @property
    def level(self) -> str:
        """The level in words: "safe", or "safe to noticeable" where a forecast cannot tell."""
        return self.best if self.best == self.worst else f"{self.best} to {self.worst}"

    @property
    def sentence(self) -> str:
        """The reasons as one sentence."""
        text = "; ".join(self.reasons)
        return f"{text[:1].upper()}{text[1:]}."


def forecast_verdict(forecast: Forecast) -> Verdict:
    """The verdict of a plan that was not measured, from the band of its KL alone."""
    if forecast.sparsity <= 0:
        return Verdict(SAFE, SAFE, FORECAST, ("nothing is pruned",))
    best, worst = (LEVELS[KL.level(kl)] for kl in (forecast.kl_low, forecast.kl_high))
    band = f"KL is forecast between {_number(forecast.kl_low)} and {_number(forecast.kl_high)} nats per token"
    limits = f"the demo model's answers change from {KL.noticeable:g} on, and break from {KL.broken:g} on"
    return Verdict(best, worst, FORECAST, (band, limits))


def measured_verdict(figures: Mapping[str, Any]) -> Verdict:
    """The verdict of figures of the task `measure`; the worst of them decides.

    Results of older versions have no behaviour, and some models cannot answer: KL decides alone then.
    """
    kl = float(figures["kl"])
    behaviour = figures.get("behaviour") or {}
    answered = bool(behaviour.get("prompts"))
    levels = [_failing(behaviour), _early(behaviour)] if answered else []
    if behaviour.get("questions_right"):
        levels.append(_lost(behaviour))
    limit = KL_BESIDE_ANSWERS if behaviour.get("counted") else KL
    levels.append((limit.level(kl), f"KL {_number(kl)} nats per token"))
    worst = LEVELS[max(level for level, _ in levels)]
    reasons = [text for _, text in sorted(levels, key=lambda pair: -pair[0])]
    if answered:
        return Verdict(worst, worst, MEASURED, tuple(reasons))
    why = behaviour.get("why_not") or "its answers were not measured: measure it again for that"
    return Verdict(worst, worst, MEASURED_KL, (*reasons, f"{why[:1].lower()}{why[1:].rstrip('.')}"))


def _failing(behaviour: Mapping[str, Any]) -> tuple[int, str]:
    repeating, short, of = (behaviour[name] for name in ("repeating", "cut_short", "counted"))
    if not of:
        return 0, "the unpruned model repeats itself in every answer"
    text = f"{repeating or 'none'} of {of} answers fall{'' if repeating > 1 else 's'} into repetition"
    if short:
        text += f", {short} break{'' if short > 1 else 's'} off early"
    return FAILING.level((repeating + short) / of), text


def _early(behaviour: Mapping[str, Any]) -> tuple[int, str]:
    number, of = behaviour["early"], behaviour["prompts"]
    return EARLY.level(number / of), f"{number} of {of} begin unlike the unpruned model's"


def _lost(behaviour: Mapping[str, Any]) -> tuple[int, str]:
    number, right = behaviour["questions_lost"], behaviour["questions_right"]
    return LOST.level(number / right), f"{number} of {right} questions lost"


def _number(value: float) -> str:
    """A KL as short as it can be read."""
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"
