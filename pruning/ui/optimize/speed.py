"""What the Optimize page says of speed: zeros bring none, whole units do, by what was measured here."""

from __future__ import annotations

import streamlit as st

from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.planning.recipe.plan import MAX_LEVEL
from pruning.ui.data import queries, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels

TIMES = "optimize_times"
UNIT = "neurons"
READING = {"prefill": "a prompt is read", "decode": "an answer is written"}


def section(model: queries.Info, busy: bool) -> None:
    """How many whole units a speed takes, and where to remove them."""
    st.markdown(
        "Zeros alone make nothing faster: the speed stays **1.0×** with any plan of this page. Whole "
        "neurons, heads or layers bring speed, once they are cut out."
    )
    st.session_state.setdefault(TIMES, 1.4)
    table = measured_table(model)
    if table is None:
        wanted = requests.request("latency")
        st.caption("How much faster is not known yet: this model was not timed on this machine.")
        page_frame.submit_button(
            "Time this model",
            wanted,
            icon=":material/timer:",
            key="optimize_time",
            disabled=busy,
            width="stretch",
        )
        page_frame.command(wanted)
    else:
        times = st.number_input(
            "Times as fast", min_value=1.0, step=0.1, key=TIMES, format="%.2f", **session.PERSIST
        )
        for mode in MODES:
            st.markdown(needed(table, model.layers, float(times), mode))
        st.caption(f"Measured {table.measured[:10]} on {table.machine}, {table.threads} threads.")
    page_frame.link("methods", "Whole units on Methods")


def measured_table(model: queries.Info) -> LatencyTable | None:
    """The newest times of this model on the session's device, measured by `prunescope latency`."""
    found = queries.latency(model)
    return None if found is None else LatencyTable.from_dict(found)


def needed(table: LatencyTable, layers: int, times: float, mode: str) -> str:
    """In a sentence, the share of neurons that must go from every layer for this speed."""

    def at(share: float) -> float:
        return speedup(table, {(layer, UNIT): share for layer in range(layers)}, mode)

    what = f"{labels.FORECAST} {READING[mode].capitalize()} **{times:.2f}×** as fast"
    if UNIT not in table.shares:
        return f"{what}: this model's neurons were not timed."
    if at(MAX_LEVEL) < times:
        return f"{what}: more than neurons can bring, which is {at(MAX_LEVEL):.2f}× at the most."
    low, high = 0.0, MAX_LEVEL
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle) >= times else (middle, high)
    return f"{what} without about {format.percent(high)} of the neurons of every layer."
