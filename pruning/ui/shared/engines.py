"""What runs the model where its speed is told: PyTorch, or llama.cpp where it is installed."""

from __future__ import annotations

import streamlit as st

from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH, TIMED, installed
from pruning.ui.data import queries, session

NAMES = {PYTORCH: "PyTorch here", LLAMA_CPP: "llama.cpp here"}
KEY = "engine"
HELP = (
    "What times and speed-ups are of, on every page. llama.cpp runs a GGUF file of the model with "
    f"{TIMED} numbers, 8 bits each; PyTorch runs it in the number format in which it is loaded."
)


def choice() -> None:
    """The choice of what runs the model, kept by the session; nothing where there is no choice."""
    if not installed():
        return
    st.session_state[KEY] = queries.engine()
    st.segmented_control(
        "What runs it",
        list(NAMES),
        required=True,
        format_func=NAMES.__getitem__,
        key=KEY,
        help=HELP,
        on_change=lambda: session.change(engine=st.session_state[KEY]),
    )


def numbers(dtype: str) -> str:
    """The number format that times are of, in words; `dtype` is the loaded model's."""
    return dtype if queries.engine() == PYTORCH else f"{TIMED} (8 bits), in llama.cpp"
