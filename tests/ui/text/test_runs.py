"""Runs in words."""

from datetime import datetime
from typing import Any

import pytest

from pruning.ui.text import runs as run_words
from pruning.workspace.runs import Run


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "Nothing removed"),
        (("all=0.3",), "All groups 30 %"),
        (("up=0.5", "down@0-3,7=0.1"), "MLP up 50 %, MLP down 10 % in layers 0–3, 7"),
        (("kv_groups=0.25", "up@7=0.1"), "KV groups 25 %, MLP up 10 % in layer 7"),
        (("layers@7=1",), "Layer 7 dropped"),
        (("layers@7-9,12=1",), "Layers 7–9, 12 dropped"),
    ],
)
def test_plans_in_words(settings: tuple[str, ...], said: str) -> None:
    assert run_words.plan(settings) == said


def run(options: dict[str, Any]) -> Run:
    settings = ("all=0.3",)
    return Run("measure", {}, "demo", "float32", "fisher", "demo", settings, 0.0, {}, "", options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"structure": "neurons", "compensate": False}, "All groups 30 %, not refitted"),
        ({"structure": "n:m", "pattern": "2:4"}, "All groups 30 %, 2:4"),
        ({"structure": "block", "block": "4x4", "scope": "model"}, "4x4 blocks, ranked over the whole model"),
        ({"protect": "0-1", "floor": 0.1}, "layers 0–1 protected, at least 10 %"),
        ({"recovery": {"steps": 1}}, "All groups 30 %, trained for 1 step"),
    ],
)
def test_settings_are_named_in_words(options: dict[str, Any], said: str) -> None:
    title = run_words.described(run(options))
    assert title.endswith(said)
    assert not {"False", "True", "compensate", "structure"} & set(title.replace(",", "").split())


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
