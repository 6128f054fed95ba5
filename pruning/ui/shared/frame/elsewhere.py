"""The card around results of the demo that were measured elsewhere, until users have their own."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pruning.ui.data import gallery
from pruning.ui.shared import page as page_frame

BADGE = ":gray-badge[:material/public: measured elsewhere]"


def card(title: str, draw: Callable[[], None]) -> None:
    """A card that says whose figures it holds; they are never mixed with the user's own.

    `draw` reads them and draws; where the file of them is missing or damaged the card says so.
    """
    with st.container(border=True, key="elsewhere"), page_frame.user_errors():
        where = gallery.where()
        st.markdown(f"**{title}** {BADGE}")
        st.caption(f"Of the demo model: {where}. Your own take their place.")
        draw()
