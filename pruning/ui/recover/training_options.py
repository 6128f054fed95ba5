"""The finer settings of training, for the tabs of the Recover page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pruning.planning.recipe.training import Training
from pruning.ui.data import session


def details(steps: int, prefix: str = "recover", whole: bool = False) -> dict[str, Any]:
    """The finer settings of training, as plain values.

    What depends on the number of steps starts anew when that changes. `prefix` begins the widgets' keys;
    with `whole` there are only the settings for whole weights in one shot.
    """
    usual = Training()
    left, right = st.columns(2, gap="medium")
    values: dict[str, Any] = {}

    def number(place: Any, name: str, label: str, *numbers: Any, key: str = "", **looks: Any) -> None:
        values[name] = place.number_input(
            label, *numbers, key=f"{prefix}_{name}{key}", **looks, **session.PERSIST
        )

    number(
        left,
        "learning_rate",
        "Learning rate",
        1e-7,
        1.0,
        usual.learning_rate,
        1e-5,
        help="The highest; it then falls along a cosine. Too high, and training wins nothing.",
        format="%.1e",
    )
    warmup = min(usual.warmup, max(1, steps // 4)) if steps > 1 else 0
    number(
        right, "warmup", "Warm-up steps", 0, steps, warmup, help="The rate rises over these.", key=f"_{steps}"
    )
    number(left, "batch", "Batch size (windows)", 1, 256, usual.batch, help="Of 256 tokens each.")
    number(
        right,
        "accumulate",
        "Gradient accumulation (batches in a step)",
        1,
        256,
        usual.accumulate,
        help="More text in a step without more memory; each step takes as many times longer.",
    )
    if not whole:
        _recovery_details(number, left, right, steps)
    return values


def _recovery_details(number: Callable[..., None], left: Any, right: Any, steps: int) -> None:
    number(
        left,
        "hidden",
        "Weight of hidden states (distillation)",
        0.0,
        100.0,
        0.0,
        0.1,
        help="Follows what the unpruned model has between its layers too. 0: not. Takes more memory.",
    )
    number(
        right,
        "lora",
        "LoRA rank",
        0,
        512,
        0,
        1,
        help="0 trains whole weights. A rank such as 8 trains small updates, with far less memory.",
    )
    every = max(1, min(20, steps // 2))
    number(
        left,
        "evaluate_every",
        "Steps between looks at quality",
        1,
        steps,
        every,
        help="The best weights are kept by these looks.",
        key=f"_{steps}",
    )
    number(right, "patience", "Early-stopping patience (looks)", 0, 1000, 0, help="0: never early.")
