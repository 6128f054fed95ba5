"""The run that was opened from Runs: its figures, what was switched for it, and the way back.

It stands on the page that the run was opened on until it is closed, because a page shows a run in its own way
or, while something is missing, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import streamlit as st

from pruning.ui.data import queries, session
from pruning.ui.shared import engines
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels, run_figures
from pruning.ui.text import runs as run_words
from pruning.workspace import results
from pruning.workspace.runs import Run

KEY = "opened_run"


@dataclass(frozen=True)
class Opened:
    """A run that was opened on a page: what the session held before and right after, with the plans to undo,
    and what had been opened before it."""

    run: Run
    page: str
    before: session.Choice
    plans: session.History
    after: session.Choice
    earlier: Opened | None = None


def remember(run: Run, page: str, before: session.Choice, plans: session.History) -> None:
    """Say that the run is open on a page now, and what the session held before it was."""
    earlier = st.session_state.get(KEY)
    st.session_state[KEY] = Opened(run, page, before, plans, session.current(), earlier)


def banner(page: str) -> None:
    """The run that was opened on this page, if one was."""
    state: Opened | None = st.session_state.get(KEY)
    if state is None or state.page != page:
        return
    run = state.run
    with st.container(border=True, key="opened_run", gap="small"):
        _title(state)
        if run.kind in ("export", "quantize", "early_exit") and run.settings:
            st.caption(run_words.described(run))
        st.markdown(run_figures.figures(run))
        st.caption(_switched(state))
        for remark in _remarks(state):
            st.caption(f":material/info: {remark}")


def _title(state: Opened) -> None:
    """What is open, with the way back and what puts it away."""
    run = state.run
    badge = f":gray-badge[:material/{run_words.ICON[run.kind]}: {run_words.KIND[run.kind]}]"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**Opened: {run_words.title(run)}** {badge}", width="content")
        with st.container(horizontal=True, width="content"):
            _back(state)
            st.button(
                "Close",
                icon=":material/close:",
                type="tertiary",
                key="opened_close",
                help="Puts this away. Everything else stays as it is.",
                on_click=lambda: st.session_state.pop(KEY, None),
            )


def way_back() -> None:
    """On Runs: what was opened last, and the way back from it."""
    state: Opened | None = st.session_state.get(KEY)
    if state is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Opened last: {run_words.title(state.run)}. {_switched(state)}", width="content")
            _back(state)


def _back(state: Opened) -> None:
    if st.button(
        "Back to what was open",
        icon=":material/undo:",
        key="opened_back",
        help=f"{_described(state.before)}. It comes back as it was, with the plans to undo.",
    ):
        session.restore(state.before, state.plans)
        if state.earlier is None:
            del st.session_state[KEY]
        else:
            st.session_state[KEY] = state.earlier
        page_frame.go("runs")


def _described(choice: session.Choice) -> str:
    if not choice.model:
        return "No model was open"
    return f"{format.short(choice.model)}, criterion {choice.criterion}, {run_words.plan(choice.settings)}"


# ---- what was switched ------------------------------------------------------------------------------

NAMES = {
    "model": "model",
    "dtype": "number format",
    "device": "device",
    "engine": "what runs it",
    "data": "text",
    "criterion": "criterion",
    "settings": "plan",
}


def _switched(state: Opened) -> str:
    """What opening changed in the session, in words."""
    before, after = state.before, state.after
    changes = [
        f"{NAMES[field.name]} {_value(before, field.name)} → {_value(after, field.name)}"
        for field in fields(session.Choice)
        if field.name in NAMES and getattr(before, field.name) != getattr(after, field.name)
    ]
    if not changes:
        return "Nothing had to be switched for it: model, text, criterion and plan are what they were."
    return f"Switched for it: {'; '.join(changes)}."


def _value(choice: session.Choice, name: str) -> str:
    if name == "settings":
        return f"“{run_words.plan(choice.settings)}”"
    if name == "engine":
        return engines.NAMES.get(choice.engine, choice.engine)
    return format.plain(format.short(getattr(choice, name))) or "none"


def _remarks(state: Opened) -> list[str]:
    """What the page cannot say by itself about the run."""
    run, remarks = state.run, []
    if run.kind != "job" and run.kind not in run_words.NO_CRITERION and run.criterion not in labels.CRITERION:
        remarks.append(f"Its criterion, {run.criterion}, works while training, so there is no map of it.")
    if set(run.options) - {"recovery"}:
        remarks.append("A plan by hand has levels without further options, so this is none: yours is kept.")
    elif run.settings and state.after.settings != session.current().settings:
        remarks.append("Your plan was changed since it was opened.")
    if _older_text(run):
        remarks.append(
            f"It is about an earlier state of the text {format.plain(format.short(run.data))}. What else the "
            "page shows is about the text as it is now."
        )
    if run.kind == "latency" and queries.info() is not None and not _timed_here(run):
        remarks.append("It was timed on another machine; what else the page shows is about this one.")
    if run.kind == "export" and not Path(run.value["out"]).exists():
        remarks.append(f"Its folder {run.value['out']} was moved or deleted since.")
    return remarks


def _older_text(run: Run) -> bool:
    if run.data_fingerprint is None or run.kind in run_words.NO_TEXT or "fingerprint" not in run.key:
        return False
    newest = results.latest_subject(queries.store(), run.key["fingerprint"], run.data)
    return newest is None or newest.data_fingerprint != run.data_fingerprint


def _timed_here(run: Run) -> bool:
    key = run.key
    here = results.latency(queries.store(), key["fingerprint"], key["dtype"], key["device"])
    return here is not None and here["machine"] == run.value["machine"]
