"""What every page begins and ends with: its heading, the model it is about, the road, messages, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from pruning.commands import command_line
from pruning.errors import PruningError
from pruning.ui import services, state, words

PAGES = {
    "model": "pages/model_page.py",
    "sensitivity": "pages/sensitivity_page.py",
    "explore": "pages/explore_page.py",
    "export": "pages/export_page.py",
}


def start() -> None:
    """Make the session's state where it is missing, and put it into the address.

    Pages call it as well as the router: a deep link on a fresh server may run a page alone, and moving
    between pages empties the address.
    """
    state.current()
    state.write_address()


def heading(
    title: str,
    line: str,
    model: services.Info | None,
    next_page: str | None = None,
    next_label: str = "",
) -> None:
    """A page's title and one line of help; on the right the model it is about and the road's next step."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left.container(gap="xxsmall"):
        st.title(title, anchor=False)
        st.caption(line)
    with right.container(horizontal_alignment="right", gap="xxsmall"):
        if model:
            facts, name = model.facts, _short(state.current().model)
            st.caption(
                f":material/deployed_code: {name} · {words.count(facts['parameters'])} parameters · "
                f"{model.layers} layers · {facts['dtype']} on {facts['device']}",
                text_alignment="right",
            )
        if next_page:
            st.page_link(
                PAGES[next_page], label=next_label, icon=":material/arrow_forward:", icon_position="right"
            )


@contextmanager
def told() -> Iterator[None]:
    """Show a user's mistake where it happened; the page goes on after it."""
    try:
        yield
    except PruningError as error:
        st.error(str(error), icon=":material/error:")


def act(action: Callable[[], Any]) -> None:
    """Do what a button asks for, as its callback; a PruningError is shown on the run that follows."""
    try:
        action()
    except PruningError as error:
        st.session_state["complaint"] = str(error)


def complaint() -> None:
    """Show what went wrong in a callback, once."""
    text = st.session_state.pop("complaint", None)
    if text:
        st.error(text, icon=":material/error:")


def needs_model() -> services.Info | None:
    """The session's model; where there is none, say what to do."""
    found = services.info()
    if found is None:
        empty(
            "No model yet",
            "Load a model first. The demo model takes under a minute.",
            "model",
            "Choose a model",
        )
    return found


def empty(title: str, text: str, page: str, label: str) -> None:
    """An empty state: what is missing, and the link to where it is made."""
    with st.container(border=True, key="empty_state"):
        st.subheader(title, anchor=False)
        st.write(text)
        st.page_link(PAGES[page], label=label, icon=":material/arrow_forward:")


def _short(reference: str) -> str:
    return reference if len(reference) <= 34 else f"…{reference[-33:]}"


def command(wanted: dict[str, Any]) -> None:
    """The command that does the same as the button beside it."""
    with st.expander("The same as a command", icon=":material/terminal:"):
        st.code(command_line(wanted), language="bash", wrap_lines=True)


def figure(
    label: str, value: str, source: str, note: str = "", help: str | None = None, border: bool = True
) -> None:
    """One number and where it comes from: `source` is "measured" or "forecast", `note` its band."""
    badge = ":green-badge[measured]" if source == "measured" else ":blue-badge[forecast]"
    with st.container(border=border, height="stretch", gap="xxsmall"):
        st.metric(label, value, help=help)
        st.markdown(f"{badge} :small[{note}]" if note else badge)


def done_steps() -> dict[str, bool]:
    """Which steps of the road are done for the session's model."""
    model = services.info()
    if model is None:
        return dict.fromkeys(PAGES, False)
    return {
        "model": True,
        "sensitivity": services.the_map(model) is not None,
        "explore": bool(state.current().settings),
        "export": bool(services.exports(model)),
    }
