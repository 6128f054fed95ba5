"""Schedules against values worked by hand, and the settings of training."""

import pytest

from pruning.errors import PruningError
from pruning.planning.recipe.schedules import level_at, plan_at, prunes_at
from pruning.planning.recipe.training import Training


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("one_shot", 0, 0.8),
        ("linear", 0, 0.0),
        ("linear", 25, 0.2),
        ("linear", 50, 0.4),
        ("cubic", 25, 0.8 - 0.8 * 0.75**3),  # 0.4625
        ("cubic", 50, 0.7),  # 0.8 - 0.8 / 8
        ("cubic", 0, 0.0),
        ("exponential", 0, 0.0),
        ("exponential", 50, 1 - 0.2**0.5),
        ("linear", 100, 0.8),
        ("cubic", 100, 0.8),
        ("exponential", 100, 0.8),
        ("cubic", 500, 0.8),
    ],
)
def test_levels_are_those_worked_by_hand(schedule: str, step: int, expected: float) -> None:
    assert level_at(schedule, step, 100, 0.8) == pytest.approx(expected, abs=1e-12)


def test_the_end_is_exact_and_the_way_starts_where_it_should() -> None:
    assert level_at("cubic", 7, 7, 0.3) == 0.3
    assert level_at("exponential", 0, 9, 0.9, 0.5) == pytest.approx(0.5)
    # Half of what is left goes at each of three steps.
    left = [1 - level_at("exponential", step, 3, 0.875) for step in range(4)]
    assert left == pytest.approx([1, 0.5, 0.25, 0.125])


@pytest.mark.parametrize("schedule", ["linear", "cubic", "exponential"])
def test_nothing_comes_back(schedule: str) -> None:
    levels = [level_at(schedule, step, 40, 0.95) for step in range(60)]
    assert levels == sorted(levels)


def test_every_group_is_on_its_own_way() -> None:
    assert plan_at("linear", 1, 4, {(0, "up"): 0.8, (1, "down"): 0.4}) == {(0, "up"): 0.2, (1, "down"): 0.1}


def test_pruning_steps_include_the_last() -> None:
    assert [step for step in range(40) if prunes_at("cubic", step, 25, 10)] == [10, 20, 25]
    assert not any(prunes_at("one_shot", step, 25, 10) for step in range(40))


def test_the_learning_rate_rises_and_falls() -> None:
    chosen = Training(steps=12, warmup=2, learning_rate=1.0)
    assert [chosen.rate_at(step) for step in (0, 1, 2, 7, 12)] == pytest.approx([0.5, 1.0, 1.0, 0.55, 0.1])
    flat = Training(steps=12, warmup=0, learning_rate=1.0, decay="constant")
    assert {flat.rate_at(step) for step in range(12)} == {1.0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"loss": "kl"}, "distill, task, both"),
        ({"schedule": "quartic"}, "one_shot, linear"),
        ({"steps": 0}, "steps 0 cannot be"),
        ({"batch": 1.5}, "batch 1.5 cannot be"),
        ({"learning_rate": 0.0}, "learning rate 0.0 cannot be"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"refit": 1}, "refit 1 cannot be"),
        ({"rate": 1}, 'no setting "rate"'),
        ({"schedule": "cubic", "steps": 10, "prune_steps": 20}, "20 steps and training has 10"),
    ],
)
def test_settings_that_cannot_be(wrong: dict, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        Training.of(wrong)


def test_only_what_differs_is_told() -> None:
    assert Training().changed() == {}
    assert Training.of({"steps": 30, "loss": "both", "warmup": 10}).changed() == {"steps": 30, "loss": "both"}
    with pytest.raises(PruningError, match="no schedule"):
        level_at("soon", 1, 2, 0.5)
