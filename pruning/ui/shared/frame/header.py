"""The header that stays while a page scrolls: the model, the plan with its figures, and what times are of."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pruning.ui.data import queries
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import figures, target
from pruning.ui.shared.frame.places import PLACES, ROAD
from pruning.ui.shared.frame.steps import done_steps
from pruning.ui.text import labels

# In the session: where the figures of the run at hand stand, for fragments that change the plan.
SLOT = "header_figures"
# Of the address: the report alone, without header and tabs.
ALONE, FULL = "view", "full"


def full_screen(view: str) -> bool:
    """Whether the address asks for the report alone."""
    return view == "present" and bool(st.query_params.get(ALONE) == FULL)


def draw(model: queries.Info | None) -> None:
    """The model, the plan's figures and the target; without a model the glossary alone."""
    with st.container(key="header", horizontal=True, vertical_alignment="center", gap="small"):
        st.session_state[SLOT] = st.empty()
        if model is not None:
            target.choice()
        with st.popover("Glossary", icon=":material/menu_book:", type="tertiary", key="glossary"):
            page_frame.glossary(labels.GLOSSARY)
    refresh()


def refresh() -> None:
    """Show the figures of the session's plan as it is now; for fragments too, which redraw nothing else."""
    slot, model = st.session_state.get(SLOT), queries.info()
    if slot is not None:
        slot.html(figures.html(model) if model is not None else figures.NO_MODEL)


def tabs(place: str, view: str, remember: Callable[[str], None]) -> None:
    """The place's name, its tabs with a line on the open one, and the way to the next place."""
    entry, key = PLACES[place], f"tab_{place}"
    st.session_state[key] = view
    with st.container(key="tabs", horizontal=True, vertical_alignment="center", gap="medium"):
        title = "How much of a transformer can go?" if view == "start" else entry.title
        st.title(title, anchor=False, width="content")
        st.segmented_control(
            f"Views of {entry.title}",
            list(entry.views),
            required=True,
            format_func=lambda name: entry.views[name].tab,
            key=key,
            label_visibility="collapsed",
            on_change=lambda: remember(st.session_state[key]),
        )
        st.caption(entry.views[view].line, width="stretch")
        _onward(place, view)


def _onward(place: str, view: str) -> None:
    """The way to the next place, once there is something to take there."""
    names = list(PLACES)
    following = names[names.index(place) + 1] if place != names[-1] else None
    if following is None or view == "start" or not done_steps().get(place, place not in ROAD):
        return
    model, said = queries.info(), f"Next: {PLACES[following].title}"
    if view == "model" and model is not None and queries.baseline(model) is not None:
        if st.button(
            said,
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
            key="next_step",
        ):
            st.switch_page(PLACES[following].script)
    else:
        st.page_link(
            PLACES[following].script,
            label=said,
            icon=":material/arrow_forward:",
            icon_position="right",
        )
