"""The mixer: a custom component in plain JavaScript that forecasts and draws in the browser.

Two mounts share one page. `send_table` brings the data that a whole page run may change; `mixer` brings the
plan, and takes it back when a hand lets go. So a release sends a plan and no table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group, Plan, check_level, check_together
from pruning.ui.data import session

_FILES = (
    "../../shared/cost.js",
    "forecast.js",
    "levels.js",
    "../../shared/format.js",
    "../../shared/place.js",
    "banks.js",
    "cell.js",
    "marks.js",
    "draw.js",
    "verdict.js",
    "cards.js",
    "html.js",
    "history.js",
    "events.js",
    "tables.js",
    "desk.js",
)
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "prunescope_desk",
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _FILES),
    css=(_FOLDER / "desk.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Event:
    """What the mixer sent: what a hand left there, a step through the history, or the history itself.

    `number` counts the events of one mount; Python sends the last back, so that the mixer knows which of its
    own plans an answer is about. `levels` are of the map's groups in their order. `step` is "undo" or "redo".
    `past` and `future` are what the browser kept over a reload, a line of text for a plan.
    """

    number: int
    levels: Sequence[float] | None = None
    locks: tuple[str, ...] = ()
    step: str = ""
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()


def send_table(data: Mapping[str, Any]) -> None:
    """Give the browser the table that the desk of this page computes with."""
    _component(key="desk_table", data={"table": dict(data)})


def mixer(table_id: str, levels: Sequence[float], settings: str, answered: int, kl: float) -> None:
    """Mount the mixer with Python's plan; `answered` is the number of the event that it answers.

    `settings` is the plan as text and `kl` Python's own forecast: the mixer shows when the two sides differ.
    """
    history = session.history()
    _component(
        key="desk",
        data={
            "tableId": table_id,
            "levels": list(levels),
            "locks": list(session.current().locks),
            "settings": settings,
            "past": [",".join(plan) for plan in history.past],
            "future": [",".join(plan) for plan in history.future],
            "answered": answered,
            "kl": kl,
        },
        on_events_change=lambda: None,
    )


def events(after: int) -> list[Event]:
    """What the browser sent after the event of this number, in order.

    A mount starts to count at the last number that Python answered.
    """
    sent = (st.session_state.get("desk") or {}).get("events") or []
    return [_event(value) for value in sent if int(value["number"]) > after]


def _event(value: Mapping[str, Any]) -> Event:
    texts = {name: tuple(str(text) for text in value.get(name) or ()) for name in ("locks", "past", "future")}
    return Event(int(value["number"]), value.get("levels"), step=str(value.get("step") or ""), **texts)


def plan_of(levels: Sequence[float], groups: Sequence[Group]) -> Plan:
    """The released levels as a plan.

    Raises PruningError for levels that fit no plan of these groups, and for those that contradict each other.
    """
    if len(levels) != len(groups):
        raise PruningError("The desk sent a plan of another model. Reload the page.")
    plan = {
        (layer, kind): round(check_level(float(level), f"Layer {layer}, {kind}", kind), 6)
        for (layer, kind), level in zip(groups, levels, strict=True)
        if level
    }
    check_together(plan)
    return plan
