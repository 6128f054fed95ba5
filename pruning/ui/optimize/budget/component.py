"""The budget slider with its pictures: a custom component that follows the hand in the browser.

Python sends the best plans over the whole range once; while the slider moves the browser shows what lies
between two of them. When it lets go, Python solves for just that share, and its answer replaces the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

KEY = "budget"
_HERE = Path(__file__).parent
# Numbers for people are written as on the desk, by the same functions.
_FILES = (_HERE.parents[1] / "shared" / "format.js", _HERE / "chart.js", _HERE / "board.js")
_component = st.components.v2.component(
    "prunescope_budget",
    js="\n".join(path.read_text(encoding="utf-8") for path in _FILES),
    css=(_HERE / "board.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Sent:
    """What the browser sent last: a share (0..1) that the slider was left at, or a point that was clicked.

    `number` counts what one mount sent; Python sends it back, so that the browser knows what is answered.
    """

    number: int
    share: float | None
    point: str | None


def board(data: Mapping[str, Any], here: Mapping[str, Any] | None, share: float, answered: int) -> None:
    """Mount the board: `here` is the solved plan's figures, None where there is none; `share` is 0..1."""
    _component(
        key=KEY,
        data={
            "board": dict(data),
            "here": dict(here) if here else None,
            "share": share,
            "answered": answered,
        },
        on_sent_change=lambda: None,
    )


def sent() -> Sent | None:
    """The latest message of the browser, handled or not; what cannot be read is none."""
    value: Any = (st.session_state.get(KEY) or {}).get("sent")
    try:
        share, point = value["share"], value["point"]
        return Sent(
            int(value["number"]),
            None if share is None else min(max(float(share), 0.0), 1.0),
            None if point is None else str(point),
        )
    except (TypeError, KeyError, ValueError):
        return None
