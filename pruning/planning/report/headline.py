"""From what is known of a plan to the first screen of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pruning.planning.forecast.predict import Forecast
from pruning.planning.forecast.verdict import forecast_verdict, measured_verdict
from pruning.planning.recipe.plan import Plan
from pruning.planning.report import words
from pruning.planning.report.screen import Screen
from pruning.planning.report.sums import Assumptions, cheaper


@dataclass(frozen=True)
class Known:
    """What a report rests on.

    Attributes
    ----------
    model, plan
        Reference of the model; of a folder only the name is told, since a report may go to strangers.
    before, after, compact
        Bytes of the unpruned model, of what is written, and of the compact file.
    measured, forecast
        Figures of the plan: of the task `measure`, and of the map. One of the two is there.
    questions
        The share of questions (0..1) that the unpruned model gets right, where `measured` does not say.
    speed, answer
        Times as fast, and a row of the task `generate`; None where they are not known.
    """

    model: str
    plan: Plan
    before: float
    after: float
    compact: float
    measured: Mapping[str, Any] | None = None
    forecast: Forecast | None = None
    questions: float | None = None
    speed: words.Speed | None = None
    answer: Mapping[str, Any] | None = None


def headline(title: str, known: Known, assumptions: Assumptions | None = None) -> Screen:
    """What stands on the first screen, for everybody."""
    truth, cut = known.measured, known.after < known.before
    money = cheaper(known.before, known.after, assumptions or Assumptions())
    if truth is not None:
        verdict, share, right = measured_verdict(truth), truth["sparsity"], truth.get("probe_accuracy")
    elif known.forecast is not None:
        verdict, share, right = forecast_verdict(known.forecast), known.forecast.sparsity, None
    else:
        raise TypeError("a report needs a measurement or a forecast")
    behaved = words.questions_before(truth or {})
    return Screen(
        title=title,
        done=words.done(words.short_name(known.model), known.plan, share, cut),
        short=words.in_short(verdict),
        saves=(
            words.smaller(known.before, known.after, known.compact, "measured" if truth else "exact"),
            words.faster(known.speed, cut),
            *([money] if money else []),
        ),
        costs=(
            words.judged(verdict),
            words.same_word(truth, known.forecast),
            words.questions(right, known.questions if behaved is None else behaved),
        ),
        spoken=words.spoken(known.answer) if known.answer else None,
    )
