"""Runs in words."""

from datetime import datetime

import pytest

from pruning.ui.text import runs as run_words


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "Nothing removed"),
        (("all=0.3",), "All groups 30 %"),
        (("up=0.5", "down@0-3,7=0.1"), "MLP up 50 %, MLP down 10 % in layers 0–3, 7"),
    ],
)
def test_plans_in_words(settings: tuple[str, ...], said: str) -> None:
    assert run_words.plan(settings) == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (datetime(2026, 3, 5, 14, 3), "today, 14:03"),
        (datetime(2026, 3, 4, 9, 12), "yesterday, 09:12"),
        (datetime(2025, 11, 3, 9, 12), "3 Nov 2025, 09:12"),
    ],
)
def test_times_in_words(made: datetime, said: str) -> None:
    assert run_words.when(made.timestamp(), now=datetime(2026, 3, 5, 20, 0)) == said
