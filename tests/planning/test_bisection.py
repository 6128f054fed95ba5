"""Bisection ends on both sides of the target, as near to it as the rounds allow."""

import pytest

from pruning.planning.bisection import bisection


@pytest.mark.parametrize("target", [0.1, 1.0, 2.7, 3.9])
def test_the_target_is_between_what_does_not_meet_it_and_what_does(target: float) -> None:
    below, above = bisection(lambda value: value >= target, 0.0, 4.0, rounds=20)
    assert below < target <= above
    assert above - below == 4.0 / 2**20


def test_without_a_round_the_ends_are_as_they_were() -> None:
    assert bisection(lambda value: value > 1, 0.5, 8.0, rounds=0) == (0.5, 8.0)


def test_the_ends_themselves_are_not_asked_about() -> None:
    asked: list[float] = []
    bisection(lambda value: bool(asked.append(value)), 0.0, 1.0, rounds=3)
    assert asked == [0.5, 0.75, 0.875]
