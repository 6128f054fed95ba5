"""What every page begins and ends with: its heading, the model it is about, the road, messages, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from pruning.cli.reference.command_line import command_line
from pruning.errors import PruningError
from pruning.planning.exports.llamacpp import PYTORCH, TIMED
from pruning.resources import asset
from pruning.ui.data import queries, requests, session, written
from pruning.ui.shared import preload
from pruning.ui.text import format, labels
from pruning.wording import counted


@dataclass(frozen=True)
class Place:
    """A page: its script, its name in the navigation, and its icon there, which only the road has."""

    script: str
    title: str
    icon: str = ""


# In the order of the navigation; the first is the page that the bare address opens.
PAGES = {
    "start": Place("pages/start.py", "Start", "home"),
    "model": Place("pages/model.py", "1 Model", "deployed_code"),
    "sensitivity": Place("pages/sensitivity.py", "2 Sensitivity", "grid_on"),
    "explore": Place("pages/explore.py", "3 Explore", "tune"),
    "optimize": Place("pages/optimize.py", "Optimize"),
    "export": Place("pages/export.py", "4 Export", "save"),
    "methods": Place("pages/methods.py", "Methods"),
    "recover": Place("pages/recover.py", "Recover"),
    "impact": Place("pages/impact.py", "Impact"),
    "speed": Place("pages/speed.py", "Speed"),
    "compare": Place("pages/compare.py", "Compare"),
    "present": Place("pages/present.py", "Present"),
    "runs": Place("pages/runs.py", "Runs"),
}
# What is done once for a model, in this order.
ROAD = ("model", "sensitivity", "explore", "export")
COPY_COMMAND = "Copy command"
# Seconds; who waits for less need not be told.
WORTH_SAYING = 5.0
_routed: ContextVar[bool] = ContextVar("routed", default=False)


def route() -> None:
    """Draw the frame, and run the page that the address asks for."""
    st.set_page_config(page_title="Prunescope", page_icon=str(asset("icon.svg")), layout="wide")
    st.logo(str(asset("logo.svg")), size="large")
    st.html(Path(__file__).with_name("page.css"))
    session.current()
    # Moving between pages empties the address.
    session.write_address()
    done = done_steps()
    chosen = st.navigation([_page(name, done.get(name, False)) for name in PAGES], position="top")
    token = _routed.set(True)
    try:
        chosen.run()
    finally:
        _routed.reset(token)
        preload.server()


def begin() -> None:
    """The first line of every page.

    Until the first `st.navigation` of a server Streamlit runs a page's script by itself when its address is
    opened, because it stands in `pages/`; then the page calls the router, which runs it again in its frame.
    """
    if not _routed.get():
        route()
        st.stop()


def _page(name: str, done: bool) -> StreamlitPage:
    """One entry of the navigation; the icon of a step of the road becomes a tick when it is done."""
    place = PAGES[name]
    icon = "check_circle" if done else place.icon
    return st.Page(
        place.script,
        title=place.title,
        icon=f":material/{icon}:" if icon else None,
        url_path=name,
        default=name == next(iter(PAGES)),
    )


def link(name: str, label: str) -> None:
    """A link to another page, with an arrow."""
    st.page_link(PAGES[name].script, label=label, icon=":material/arrow_forward:", icon_position="right")


def heading(
    title: str,
    line: str,
    model: queries.Info | None,
    next_page: str | None = None,
    next_label: str = "",
    main: bool = False,
) -> None:
    """A page's title and one line of help; on the right the model it is about and the road's next step.

    With `main` the next step is what there is left to do here, and looks like it.
    """
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left.container(gap="xxsmall"):
        st.title(title, anchor=False)
        st.caption(line)
    with right.container(horizontal_alignment="right", gap="xxsmall"):
        if model:
            facts, name = model.facts, format.short(session.current().model)
            st.caption(
                f":material/deployed_code: {name} · {format.count(facts['parameters'])} parameters · "
                f"{counted(model.layers, 'layer')} · {facts['dtype']} on {facts['device']}{_timed_in()}",
                text_alignment="right",
            )
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            with st.popover("Words", icon=":material/menu_book:", type="tertiary", key="glossary"):
                glossary(labels.GLOSSARY)
            if next_page and not main:
                link(next_page, next_label)
            elif next_page and st.button(
                next_label,
                type="primary",
                icon=":material/arrow_forward:",
                icon_position="right",
                key="next_step",
            ):
                st.switch_page(PAGES[next_page].script)


def _timed_in() -> str:
    """What times are of, where that is not what the model is loaded in."""
    return "" if queries.engine() == PYTORCH else f" · times: llama.cpp, {TIMED}"


def glossary(entries: Mapping[str, str]) -> None:
    """Words, each with what it means and what the field calls it."""
    for word, meaning in entries.items():
        st.markdown(f"**{word}**  \n{meaning}  \n:small[In the literature: {labels.TERMS[word]}.]")


@contextmanager
def user_errors() -> Iterator[None]:
    """Show a user's mistake where it happened; the page goes on after it."""
    try:
        yield
    except PruningError as error:
        st.error(str(error), icon=":material/error:")


def on_click(action: Callable[[], Any]) -> None:
    """Do what a button asks for, as its callback; a PruningError is shown on the run that follows."""
    try:
        action()
    except PruningError as error:
        st.session_state["complaint"] = str(error)


def submit_button(label: str, request: dict[str, Any] | None, timed: bool = True, **looks: Any) -> None:
    """A button that queues a request, with its command; without a request it cannot be pressed.

    The request is taken in the run that the press begins: a callback would hold that of the run before,
    which a quick hand may have changed meanwhile. Unless `timed`, the page says itself how long that takes.
    """
    looks["disabled"] = request is None or looks.get("disabled", False)
    with action_row():
        pressed = st.button(label, **looks)
        if request is not None:
            command(request)
    if pressed and request is not None:
        with user_errors():
            requests.submit(request)
            st.rerun()
    if request is not None and timed:
        expected_time(request)


def expected_time(*asked: dict[str, Any]) -> bool:
    """Say how long what a button asks for will take, if it takes long; False where that is not known."""
    seconds = requests.expected_seconds(*asked)
    if seconds is not None and seconds >= WORTH_SAYING:
        st.caption(f":material/schedule: about {format.seconds(seconds)} on this machine", width="content")
    return seconds is not None


def callback_error() -> None:
    """Show what went wrong in a callback, once."""
    text = st.session_state.pop("complaint", None)
    if text:
        st.error(text, icon=":material/error:")


def require_model() -> queries.Info | None:
    """The session's model; where there is none, say what to do."""
    model = queries.info()
    if model is None:
        empty(
            "No model yet",
            "Load a model first. The demo model takes under a minute.",
            "model",
            "Choose a model",
        )
    return model


def empty(title: str, text: str, page: str, label: str) -> None:
    """An empty state: what is missing, and the link to where it is made."""
    with st.container(border=True, key="empty_state"):
        st.subheader(title, anchor=False)
        st.write(text)
        link(page, label)


def action_row() -> AbstractContextManager[Any]:
    """Where a button stands with what belongs to it, such as its command."""
    return st.container(horizontal=True, vertical_alignment="center", gap="xsmall")


def command(request: dict[str, Any]) -> None:
    """A small control beside a button: the command that does the same, to copy."""
    with st.popover(COPY_COMMAND, icon=":material/terminal:", type="tertiary"):
        command_text(request)


def command_text(request: dict[str, Any]) -> None:
    """The command itself, for what is in a popover already: one cannot open in another."""
    st.code(command_line(request), language="bash", wrap_lines=True)


def figure(
    label: str, value: str, source: str, note: str = "", help: str | None = None, border: bool = True
) -> None:
    """One number and where it comes from: `source` is "measured", "exact" or "forecast", `note` its band."""
    badge = {"measured": labels.MEASURED, "exact": labels.EXACT}.get(source, labels.FORECAST)
    with st.container(border=border, height="stretch", gap="xxsmall"):
        st.metric(label, value, help=help)
        st.markdown(f"{badge} :small[{note}]" if note else badge)


def done_steps() -> dict[str, bool]:
    """Which steps of the road are done for what the session holds now: this model, criterion and plan."""
    model = queries.info()
    if model is None:
        return dict.fromkeys(ROAD, False)
    return {
        "model": True,
        "sensitivity": queries.sensitivity_map(model) is not None,
        "explore": queries.sensitivity_map(model) is not None and bool(session.current().settings),
        "export": written.is_written(model),
    }
