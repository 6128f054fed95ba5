"""What times are of, on every page: this machine, by what runs the model there, or another device."""

from __future__ import annotations

import streamlit as st

from pruning.planning.cost.roofline import devices
from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH, TIMED, installed
from pruning.ui.data import queries, session
from pruning.ui.shared import engines

KEY = "target"
HELP = (
    "What prefill and decode times are of, on every page. Here they are measured, and forecast from what was "
    f"measured; llama.cpp runs a GGUF file with {TIMED} numbers, 8 bits each, PyTorch the model as it is "
    "loaded. Of other devices they are estimates (roofline) from their makers' figures."
)


def choice() -> None:
    """The choice of the target, kept by the session and in the address."""
    here = [PYTORCH, *([LLAMA_CPP] if installed() else [])]
    elsewhere = [device.name for device in devices()]
    device = queries.target_device()
    st.session_state[KEY] = device.name if device else queries.engine()
    st.selectbox(
        "Times are of",
        [*here, *elsewhere],
        format_func=lambda name: engines.NAMES.get(name, f"{name}, estimate"),
        key=KEY,
        help=HELP,
        on_change=_take,
        width=230,
    )


def _take() -> None:
    chosen = st.session_state[KEY]
    if chosen in (PYTORCH, LLAMA_CPP):
        session.change(engine=chosen, target="")
    else:
        session.change(target=chosen)
