"""The mixing desk: a custom component in plain JavaScript that forecasts and draws in the browser.

Two mounts share one page. `send_table` brings the data that a whole page run may change; `desk` brings the
plan, and takes it back when a hand lets go. So a release sends a plan and no table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group, Plan, check_level

_FILES = ("forecast.js", "levels.js", "../../shared/format.js", "draw.js", "html.js", "events.js", "desk.js")
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "prunescope_desk",
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _FILES),
    css=(_FOLDER / "desk.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Release:
    """What the desk sent when a hand let go: levels of the map's groups in their order, and what is locked.

    `number` counts the releases of one mount; Python sends it back, so that the desk knows which of its
    own plans an answer is about.
    """

    number: int
    levels: Sequence[float]
    locks: tuple[str, ...]


def send_table(data: Mapping[str, Any]) -> None:
    """Give the browser the table that the desk of this page computes with."""
    _component(key="desk_table", data={"table": dict(data)})


def desk(
    table_id: str, levels: Sequence[float], locks: Sequence[str], settings: str, answered: int, kl: float
) -> None:
    """Mount the desk with Python's plan; `answered` is the number of the release that it answers.

    `settings` is the plan as text and `kl` Python's own forecast: the desk shows when the two sides differ.
    """
    _component(
        key="desk",
        data={
            "tableId": table_id,
            "levels": list(levels),
            "locks": list(locks),
            "settings": settings,
            "answered": answered,
            "kl": kl,
        },
        on_release_change=lambda: None,
    )


def released() -> Release | None:
    """The latest release that the browser sent, handled or not."""
    value = (st.session_state.get("desk") or {}).get("release")
    if not value:
        return None
    return Release(int(value["number"]), value["levels"], tuple(str(lock) for lock in value["locks"]))


def plan_of(levels: Sequence[float], groups: Sequence[Group]) -> Plan:
    """The released levels as a plan. Raises PruningError for levels that fit no plan of these groups."""
    if len(levels) != len(groups):
        raise PruningError("The desk sent a plan of another model. Reload the page.")
    plan = {
        group: round(check_level(float(level), f"Layer {group[0]}, {group[1]}"), 6)
        for group, level in zip(groups, levels, strict=True)
    }
    return {group: level for group, level in plan.items() if level > 0}
