"""Where the session's criterion has no map: one press that draws it, and another criterion's meanwhile."""

from __future__ import annotations

from typing import TypeGuard

import streamlit as st

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import unit_kinds
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import labels


def require_map(smap: SensitivityMap | None, basis: str, busy: bool) -> TypeGuard[SensitivityMap]:
    """Whether there is a sensitivity map; where there is none, say what rests on it and offer to draw it.

    `basis` begins the sentence: "The solver works on".
    """
    if smap is None:
        with st.container(border=True, key="empty_state"):
            st.subheader("No map yet", anchor=False)
            st.write(f"{basis} a sensitivity map, and this model has none for {_name()}.")
            button(busy)
    return smap is not None


def other(smap: SensitivityMap) -> bool:
    """Whether the map in view is of another criterion than the session's."""
    return smap.criterion != session.current().criterion


def badge(smap: SensitivityMap) -> str:
    """Of which criterion what is in view is, where that is not the session's."""
    return f":orange-badge[of {_named(smap.criterion)}]" if other(smap) else ""


def forecast_label(smap: SensitivityMap) -> str:
    """What a forecast's badge says: "forecast", or "forecast of Fisher" where that is not the session's."""
    return f"forecast of {_named(smap.criterion)}" if other(smap) else "forecast"


def note(smap: SensitivityMap, kept: str, busy: bool) -> None:
    """That the session's own map is missing, what stays in view instead (`kept`), and the press for it."""
    if not other(smap):
        return
    with st.container(border=True, key="other_map"):
        left, right = st.columns([3, 2], vertical_alignment="center", gap="large")
        left.markdown(f"**{_name()} has no map yet.** {kept.format(name=f'**{_named(smap.criterion)}**')}")
        with right:
            button(busy)


def note_without_units(smap: SensitivityMap, model: queries.Info, busy: bool) -> None:
    """That a map of an older version prices no units, and the press that draws it again."""
    if other(smap) or not model.unit_parameters or unit_kinds(smap.groups):
        return
    with st.container(border=True, key="map_without_units"):
        left, right = st.columns([3, 2], vertical_alignment="center", gap="large")
        left.markdown(
            "**This map prices single weights alone.** Drawn again, it prices heads, neurons and whole "
            "layers too, and their sliders appear here."
        )
        with right:
            button(busy, "Draw the map again", "draw_map_again")


def button(busy: bool, label: str = "", key: str = "draw_map") -> None:
    """Draws the missing map in one press, with about how long that takes here."""
    request = requests.map_request()
    page_frame.submit_button(
        label or f"Draw the map of {_name()}",
        request,
        type="primary",
        icon=":material/grid_on:",
        key=key,
        disabled=busy,
    )
    if requests.expected_seconds(request) is None:
        st.caption("It takes about as long as ten readings of the text.")


def _name() -> str:
    """The session's criterion."""
    return _named(session.current().criterion)


def _named(criterion: str) -> str:
    return labels.CRITERION_NAME.get(criterion, criterion)
