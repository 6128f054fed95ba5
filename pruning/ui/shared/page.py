"""What every view is made of: links, messages, buttons with their commands, figures, empty states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn

import streamlit as st

from pruning.cli.reference.command_line import command_line
from pruning.errors import PruningError
from pruning.ui.data import queries, requests
from pruning.ui.shared.frame.places import TAB, script_of
from pruning.ui.text import format, labels

COPY_COMMAND = "Copy command"
# In the session, until it is shown: the view that a callback asked for.
NEXT_VIEW = "next_view"
# Seconds; who waits for less need not be told.
WORTH_SAYING = 5.0


def link(view: str, label: str) -> None:
    """A link to another view, with an arrow."""
    st.page_link(
        script_of(view),
        label=label,
        icon=":material/arrow_forward:",
        icon_position="right",
        query_params={TAB: view},
    )


def go(view: str) -> NoReturn:
    """Show another view."""
    st.switch_page(script_of(view), query_params={TAB: view})


def go_next(view: str) -> None:
    """From a callback: show another view in the run that follows, whichever part of the page that runs."""
    st.session_state[NEXT_VIEW] = view


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
