"""The verdict: levels at their limits, what decides, and how a forecast says that it cannot tell."""

from dataclasses import replace
from typing import Any

import pytest

from pruning.planning.forecast import verdict as module
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.verdict import Limit, forecast_verdict, measured_verdict
from tests.support.synthetic import sensitivity_map

UNTOUCHED = {
    "prompts": 14,
    "counted": 14,
    "repeating": 0,
    "cut_short": 0,
    "early": 0,
    "common_prefix": 64.0,
    "questions": 220,
    "questions_right": 100,
    "questions_lost": 0,
    "questions_won": 0,
}


def figures(kl: float = 0.001, **changed: Any) -> dict[str, Any]:
    return {"kl": kl, "behaviour": {**UNTOUCHED, **changed}}


@pytest.mark.parametrize(("value", "level"), [(0.0, 0), (0.19, 0), (0.2, 1), (0.59, 1), (0.6, 2), (9.0, 2)])
def test_a_limit_is_where_the_next_level_begins(value: float, level: int) -> None:
    assert Limit(0.2, 0.6).level(value) == level


@pytest.mark.parametrize(("limit", "level"), [("noticeable", "noticeable"), ("broken", "broken")])
def test_kl_and_lost_questions_reach_their_limits(limit: str, level: str) -> None:
    at = getattr(module.KL_BESIDE_ANSWERS, limit)
    below = {"noticeable": "safe", "broken": "noticeable"}[limit]
    assert measured_verdict(figures(at)).level == level
    assert measured_verdict(figures(at - 1e-6)).level == below
    lost = round(100 * getattr(module.LOST, limit))
    assert measured_verdict(figures(questions_lost=lost)).level == level
    assert measured_verdict(figures(questions_lost=lost - 1)).level == below


def test_answers_know_better_than_kl_what_breaks() -> None:
    at = module.KL.broken
    assert measured_verdict({"kl": at}).level == "broken"
    assert measured_verdict(figures(at)).level == "noticeable"


def test_a_repeating_model_is_broken_however_low_its_kl() -> None:
    verdict = measured_verdict(figures(0.01, repeating=5, early=12, questions_lost=2))
    assert (verdict.level, verdict.source) == ("broken", "measured")
    assert verdict.sentence.startswith("5 of 14 answers fall into repetition; ")
    assert "2 of 100 questions lost" in verdict.sentence


def test_one_repeating_answer_is_noticed() -> None:
    verdict = measured_verdict(figures(repeating=1))
    assert verdict.level == "noticeable"
    assert verdict.reasons[0] == "1 of 14 answers falls into repetition"


def test_answers_that_break_off_count_like_those_that_repeat() -> None:
    assert measured_verdict(figures(repeating=1, cut_short=5)).reasons[0] == (
        "1 of 14 answers falls into repetition, 5 break off early"
    )
    verdict = measured_verdict(figures(cut_short=6))
    assert (verdict.level, verdict.reasons[0]) == (
        "broken",
        "none of 14 answers falls into repetition, 6 break off early",
    )


def test_other_words_alone_break_nothing() -> None:
    assert measured_verdict(figures(early=14)).level != "broken"


def test_where_the_unpruned_model_always_repeats_itself_the_rest_decides() -> None:
    assert measured_verdict(figures(counted=0)).level == "safe"


def test_older_measurements_are_judged_by_kl_alone_and_say_so() -> None:
    verdict = measured_verdict({"kl": module.KL.broken})
    assert (verdict.level, verdict.source) == ("broken", "measured KL only")
    assert "answers were not measured" in verdict.sentence


def test_a_model_that_cannot_answer_says_why() -> None:
    questions = {name: value for name, value in UNTOUCHED.items() if name.startswith("questions")}
    why = {"prompts": 0, "why_not": "The prompt is longer than the 32 this model reads."}
    verdict = measured_verdict({"kl": 0.001, "behaviour": {**questions, **why, "questions_lost": 60}})
    assert (verdict.level, verdict.source) == ("broken", "measured KL only")
    assert verdict.reasons[0] == "60 of 100 questions lost"
    assert verdict.reasons[-1] == "the prompt is longer than the 32 this model reads"


def test_a_forecast_is_as_sure_as_its_band() -> None:
    smap = sensitivity_map()
    forecast = Forecaster.prior(smap).forecast({smap.groups[0]: 0.5})
    low, high = module.KL.noticeable, module.KL.broken
    for ends, level in (
        ((low / 4, low / 2), "safe"),
        ((low / 2, low * 1.1), "safe to noticeable"),
        ((low, high / 2), "noticeable"),
        ((high / 2, high), "noticeable to broken"),
        ((high, 2 * high), "broken"),
        ((low / 2, high), "safe to broken"),
    ):
        verdict = forecast_verdict(replace(forecast, kl_low=ends[0], kl_high=ends[1]))
        assert (verdict.level, verdict.source) == (level, "forecast")
    assert forecast_verdict(Forecaster.prior(smap).forecast({})).level == "safe"
