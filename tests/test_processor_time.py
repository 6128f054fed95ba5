"""Processor time by part: each moment in one part, and nothing kept where nobody asks."""

import time

import pytest

from pruning.processor_time import part, timing_parts


def _work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_part_inside_another_is_counted_once() -> None:
    with timing_parts() as seconds:
        start = time.process_time()
        with part("outer"):
            _work(0.02)
            with part("inner"):
                _work(0.04)
            _work(0.02)
        worked = time.process_time() - start
    assert sum(seconds.values()) == pytest.approx(worked, abs=0.01)
    assert seconds["inner"] >= 0.04
    assert seconds["outer"] >= 0.04


def test_nothing_is_counted_unasked_and_errors_pass() -> None:
    with part("alone"):
        pass
    with timing_parts() as seconds:
        with pytest.raises(KeyError), part("broken"):
            raise KeyError
        with part("after"):
            pass
    with part("late"):
        pass
    assert set(seconds) == {"broken", "after"}
