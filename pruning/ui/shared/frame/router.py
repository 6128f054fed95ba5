"""From an address to what is shown: five places, their tabs, and the addresses of before."""

from __future__ import annotations

import importlib
from contextvars import ContextVar
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from pruning.resources import asset
from pruning.ui.data import background, queries, session
from pruning.ui.shared import opened
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import header, preload
from pruning.ui.shared.frame.places import OLD_ADDRESSES, PLACES, TAB, place_of, script_of
from pruning.ui.shared.frame.steps import done_steps

# By place, the view that a session had open there last.
OPEN = "open_views"
_routed: ContextVar[bool] = ContextVar("routed", default=False)


def route() -> None:
    """Draw the frame, and run the page that the address asks for."""
    st.set_page_config(page_title="Prunescope", page_icon=str(asset("icon.svg")), layout="wide")
    st.logo(str(asset("logo.svg")), size="large")
    st.html(Path(__file__).with_name("frame.css"))
    session.current()
    # Moving between pages empties the address.
    session.write_address()
    done = done_steps()
    places = [_place(name, done.get(name, False)) for name in PLACES]
    chosen = st.navigation([*places, *map(_old_address, OLD_ADDRESSES)], position="top")
    token = _routed.set(True)
    try:
        chosen.run()
    finally:
        _routed.reset(token)
        preload.server()


def show(place: str) -> None:
    """Draw a place: its header, its tabs, and the view that is open. The only line of every page.

    Until the first `st.navigation` of a server Streamlit runs a page's script by itself when its address is
    opened, because it stands in `pages/`; then the page calls the router, which runs it again in its frame.
    """
    if not _routed.get():
        route()
        st.stop()
    view = _open_view(place)
    wanted = st.session_state.get(page_frame.NEXT_VIEW)
    if wanted == view:
        del st.session_state[page_frame.NEXT_VIEW]
    elif wanted:
        page_frame.go(wanted)
    if header.full_screen(view):
        _draw(view)
        return
    background.follow()
    header.draw(queries.info())
    header.tabs(place, view, partial(_remember, place))
    page_frame.callback_error()
    opened.banner(view)
    with st.container(key=f"view_{view}"):
        _draw(view)


def _draw(view: str) -> None:
    importlib.import_module(f"pruning.ui.{PLACES[place_of(view)].views[view].module}").view()


def _open_view(place: str) -> str:
    """The view that the address names; else the one that was open here last, else the first that has
    something to show."""
    views = PLACES[place].views
    wanted = (st.query_params.get(TAB), st.session_state.get(OPEN, {}).get(place))
    # Who comes with a model has started already.
    first = "model" if place == "model" and queries.info() else next(iter(views))
    view = next((str(name) for name in wanted if name in views), first)
    _remember(place, view)
    return view


def _remember(place: str, view: str) -> None:
    st.session_state[OPEN] = {**st.session_state.get(OPEN, {}), place: view}
    if st.query_params.get(TAB) != view:
        st.query_params[TAB] = view


def _place(name: str, done: bool) -> StreamlitPage:
    """One entry of the navigation; the icon of a step of the road becomes a tick when it is done."""
    place = PLACES[name]
    icon = "check_circle" if done else place.icon
    first = name == next(iter(PLACES))
    # The first has "/" for its address: its own name is left to the address that the page had before.
    path = "home" if first else name
    return st.Page(place.script, title=place.title, icon=f":material/{icon}:", url_path=path, default=first)


def _old_address(view: str) -> StreamlitPage:
    """The address that a view had as a page of its own; it leads to its tab."""
    return st.Page(partial(_lead_on, view), title=view, url_path=view, visibility="hidden")


def _lead_on(view: str) -> None:
    parameters = {name: st.query_params.get_all(name) for name in st.query_params}
    asked = st.query_params.get(TAB)
    tab = asked if asked in PLACES[place_of(view)].views else view
    st.switch_page(script_of(view), query_params={**parameters, TAB: str(tab)})
