"""What the text looks like to the model: what was read and left out, and samples of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pruning.data_files.account import left_out
from pruning.data_files.source import DEMO, PACKED, ROWS, RUNNING
from pruning.ui.data import queries, received, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format
from pruning.wording import counted

FILES = "text_files"


def text(model: queries.Info, busy: bool) -> None:
    """The text under the model's eyes, folded away for the demo's own."""
    data = session.current().data
    found = queries.text_preview(model)
    with st.expander(f"Text: {_short(data)}", icon=":material/article:", expanded=data != "demo"):
        if found is None:
            st.write(
                "What everything is calibrated and measured on. Look at it first: how much of it is read, "
                "what is left out, and how the model will see it."
            )
        else:
            _sources(found)
            _samples(found)
        page_frame.submit_button(
            "Look at the text" if found is None else "Look again",
            requests.request("text", data=data),
            icon=":material/visibility:",
            disabled=busy,
        )
        _own(data)


def _own(data: str) -> None:
    """Where one's own text is dropped, and the way back to the demo's."""
    st.file_uploader(
        "Use text of your own",
        [*RUNNING, *ROWS, PACKED],
        accept_multiple_files=True,
        key=FILES,
        on_change=_take_files,
        help="Plain text, JSONL, JSON, CSV or parquet, packed with gzip or not; of several files all count "
        "the same. They are kept in the workspace. What is larger is named by its path, under Choose another "
        "model, Options.",
    )
    if data != DEMO:
        st.button(
            "Back to the demo's text",
            icon=":material/undo:",
            type="tertiary",
            on_click=lambda: session.change(data=DEMO),
        )


def _take_files() -> None:
    files: list[UploadedFile] = st.session_state[FILES]
    if files:
        page_frame.on_click(lambda: _use(files))


def _use(files: list[UploadedFile]) -> None:
    """Make the dropped files the session's text, and have it looked at."""
    paths = dict.fromkeys(str(received.keep(file.name, file.getvalue())) for file in files)
    data = ",".join(paths)
    session.change(data=data)
    requests.submit(requests.request("text", data=data))


def _short(data: str) -> str:
    """The name of a text, of files without their folders."""
    return ", ".join(format.plain(Path(part.strip()).name or part) for part in data.split(","))


def _sources(found: dict[str, Any]) -> None:
    st.caption(
        f"{format.count(found['calibration_tokens'])} tokens of it say what can go (calibration), "
        f"{format.count(found['evaluation_tokens'])} others what that does to the model (evaluation). No "
        "document is in both."
    )
    st.dataframe(
        [
            {
                "Text": row["name"],
                "Share": format.percent(row["share"]),
                "Fields": ", ".join(row["fields"]) or "plain text",
                "Documents": row["calibration_documents"] + row["evaluation_documents"],
                "Tokens": row["calibration_tokens"] + row["evaluation_tokens"],
                "Left out": left_out(row) or "nothing",
            }
            for row in found["sources"]
        ],
        hide_index=True,
    )
    if any(row["conversations"] for row in found["sources"]):
        with_template = "Conversations are written with the model's own chat template."
        without = (
            "This model has no chat template, so turns are written as “role: words”. What it was trained on "
            "may look otherwise."
        )
        st.caption(with_template if found["chat_template"] else without)


def _samples(found: dict[str, Any]) -> None:
    samples = found["samples"]
    st.markdown(f"**{counted(len(samples), 'sample')}, as the model reads them**")
    for column, sample in zip(st.columns(len(samples)), samples, strict=True):
        with column:
            st.code(
                sample["text"] + (" …" if sample["cut"] else ""), language=None, wrap_lines=True, height=260
            )
