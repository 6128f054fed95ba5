"""The bar and the time left of one job, on a clock of the test's own."""

from collections.abc import Mapping

import pytest

from pruning.jobs.clock import MOST, JobClock, Seconds
from pruning.jobs.stages import PASSES, Course, Stage
from pruning.progress import Place

COURSE = Course((Stage("dense"), Stage("statistics"), Stage("evaluate")))


def knows(seconds: Mapping[str, float]) -> Seconds:
    """What is expected of stages by name; of others nothing is known."""
    return lambda stage: stage.units * seconds[stage.name] if stage.name in seconds else None


KNOWN = knows({"dense": 10.0, "statistics": 70.0, "evaluate": 20.0})


def test_the_bar_is_the_share_of_the_expected_time() -> None:
    clock = JobClock(COURSE, KNOWN, 1000.0)
    clock.report(Place("dense"), 0.0, 1000.0)
    assert clock.look(1000.0) == (0.0, pytest.approx(100.0))
    bar, left = clock.look(1005.0)
    assert (bar, left) == (pytest.approx(0.05), pytest.approx(95.0))
    clock.report(Place("statistics"), 0.0, 1010.0)
    clock.report(Place("statistics"), 0.5, 1045.0)
    bar, left = clock.look(1045.0)
    assert (bar, left) == (pytest.approx(0.45), pytest.approx(55.0))
    clock.report(Place("evaluate"), 0.0, 1080.0)
    bar, left = clock.look(1090.0)
    assert (bar, left) == (pytest.approx(0.9), pytest.approx(10.0))


def test_a_slow_machine_makes_the_rest_longer_and_the_bar_never_goes_back() -> None:
    clock = JobClock(COURSE, KNOWN, 0.0)
    clock.report(Place("dense"), 0.0, 0.0)
    before, _ = clock.look(10.0)
    clock.report(Place("statistics"), 0.0, 40.0)
    bar, left = clock.look(40.0)
    assert bar >= before
    assert left is not None
    assert 150.0 < left < 4 * 90.0, "four times as slow so far, which is not all taken for true"


def test_a_stage_that_goes_its_own_pace_is_believed_the_more_the_further_it_is() -> None:
    clock = JobClock(Course((Stage("price"),)), knows({"price": 10.0}), 0.0)
    clock.report(Place("price"), 0.0, 0.0)
    clock.report(Place("price"), 0.1, 10.0)
    early = clock.look(10.0)[1]
    clock.report(Place("price"), 0.5, 50.0)
    late = clock.look(50.0)[1]
    assert early is not None
    assert 9.0 < early < 90.0
    assert late == pytest.approx(50.0)


def test_nothing_is_said_while_nothing_is_known() -> None:
    clock = JobClock(COURSE, knows({}), 0.0)
    clock.report(Place("dense"), 0.0, 0.0)
    assert clock.look(0.5)[1] is None
    clock.report(Place("statistics"), 0.0, 13.0)
    bar, left = clock.look(13.0)
    passes = (PASSES["statistics"] + PASSES["evaluate"]) / PASSES["dense"]
    assert 0.0 < bar < 0.5
    assert left == pytest.approx(13.0 * passes), "what was never timed is judged by the forward pass"


def test_a_stage_that_is_not_needed_is_passed_over() -> None:
    clock = JobClock(COURSE, KNOWN, 0.0)
    clock.report(Place("dense"), 0.0, 0.0)
    clock.report(Place("evaluate"), 0.0, 10.0)
    bar, left = clock.look(10.0)
    assert left == pytest.approx(20.0)
    assert 0.1 <= bar < 0.5
    assert clock.look(29.0)[0] < MOST


def test_a_job_that_takes_longer_than_expected_stays_below_the_end() -> None:
    clock = JobClock(COURSE, KNOWN, 0.0)
    clock.report(Place("evaluate"), 1.0, 0.0)
    bars, lefts = zip(*(clock.look(now) for now in (10.0, 100.0, 1000.0, 100_000.0)), strict=True)
    assert list(bars) == sorted(bars)
    assert bars[-1] <= MOST
    assert min(left for left in lefts if left is not None) > 0


def test_fewer_rounds_than_expected_and_more() -> None:
    course = Course((Stage("dense"),), ((Stage("choose"), Stage("evaluate")),) * 6)
    seconds = knows({"dense": 10.0, "choose": 10.0, "evaluate": 40.0})
    for rounds in (2, 9):
        clock = JobClock(course, seconds, 0.0)
        clock.report(Place("dense"), 0.0, 0.0)
        clock.report(Place("choose", 0, rounds), 0.0, 10.0)
        assert clock.look(10.0)[1] == pytest.approx(50.0 * rounds)
        clock.report(Place("evaluate", 0, rounds), 0.0, 20.0)
        clock.report(Place("choose", 1, rounds), 0.0, 60.0)
        assert clock.look(60.0)[1] == pytest.approx(50.0 * (rounds - 1))


def test_an_unexpected_stage_moves_neither_back_nor_to_the_end() -> None:
    clock = JobClock(COURSE, KNOWN, 0.0)
    clock.report(Place("statistics"), 0.5, 45.0)
    before, _ = clock.look(45.0)
    clock.report(Place("fetch"), 0.0, 50.0)
    clock.report(Place("fetch"), 0.5, 60.0)
    bar, left = clock.look(60.0)
    assert before <= bar < MOST
    assert left is not None
    assert left == pytest.approx(30.0, abs=8.0), "its own rest, and the evaluation"
    assert "fetch" not in clock.taken(60.0, finished=True)


def test_work_that_names_no_stage_says_how_much_is_done_itself() -> None:
    clock = JobClock(Course((Stage(""),)), knows({}), 0.0)
    clock.report(Place("statistics"), 1.0, 0.0)
    assert clock.look(0.0)[0] == 0.0, "a stage of a part is not the whole"
    clock.report(Place(), 0.25, 10.0)
    assert clock.look(10.0) == (pytest.approx(0.25), pytest.approx(30.0))
    clock.report(Place("", 1, 2), 0.5, 30.0)
    assert clock.look(30.0)[1] == pytest.approx(10.0)


def test_what_stages_took_counts_for_the_part_that_was_done() -> None:
    course = Course((Stage("dense"), Stage("points", 200)))
    clock = JobClock(course, knows({}), 0.0)
    clock.report(Place("dense"), 0.0, 0.0)
    clock.report(Place("points"), 0.75, 3.0)
    assert clock.taken(4.0, finished=False) == {"dense": (3.0, 1.0)}
    assert clock.taken(13.0, finished=True) == {"dense": (3.0, 1.0), "points": (10.0, 50.0)}
