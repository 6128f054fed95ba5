"""What every job will take with the chosen model, before it is loaded: memory, disk and time, estimated."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from pruning.errors import PruningError
from pruning.planning.cost.estimate.jobs import NAMES
from pruning.planning.cost.estimate.result import way_words
from pruning.ui.data import session
from pruning.ui.model.estimated import cached_estimates
from pruning.ui.text import format, labels

IN_MEMORY, STREAMED = "In memory", "Streamed"
WAYS = {IN_MEMORY: "in_memory", STREAMED: "streamed"}
HELP = (
    "Worked out from the headers of the model's files and from how fast this machine was found to be. "
    "In memory: the whole model at once. Streamed: a layer at a time, the others stay in their files. "
    "The command `prunescope estimate` says more."
)


def verdict(choice: session.Choice, otherwise: bool) -> None:
    """Whether the chosen model fits into memory for its map; `otherwise` where there is no estimate."""
    whole, streamed = otherwise, False
    with suppress(PruningError):
        row = _found(choice)["jobs"][0]
        whole, streamed = row["in_memory"]["fits"], row["stream"]
    if whole:
        st.badge("Fits into memory", icon=":material/check:", color="green")
    elif streamed:
        st.badge("Fits streamed, a layer at a time", icon=":material/layers:", color="blue")
    else:
        st.warning(
            "This needs more memory than is free. Choose bfloat16 under Options, close other programs, "
            "or take a smaller model.",
            icon=":material/memory_alt:",
        )


def _found(choice: session.Choice) -> dict[str, Any]:
    return cached_estimates(choice.model or "demo", choice.dtype, choice.device)


def section(choice: session.Choice) -> None:
    """The table of the chosen model; nothing where it cannot be worked out."""
    try:
        with st.spinner("Working out what it will take …"):
            found = _found(choice)
    except PruningError as error:
        # What is wrong with the model itself is said beside it.
        st.caption(f"No estimate of what jobs will take: {format.plain(str(error))}")
        return
    st.subheader("What jobs will take", anchor=False, help=HELP)
    first = STREAMED if any(row["stream"] for row in found["jobs"]) else IN_MEMORY
    way = st.segmented_control(
        "How the model is held", list(WAYS), default=first, key="estimate_way", label_visibility="collapsed"
    )
    _table(found, way or first)
    machine = found["machine"]
    st.caption(
        f"{labels.ESTIMATE} {found['summary']} This machine has "
        f"{format.size(machine['available'])} of memory and {format.size(machine['disk'])} of disk free."
    )


def _table(found: Mapping[str, Any], way: str) -> None:
    rows = []
    for row in found["jobs"]:
        memory, disk, time = way_words(row[WAYS[way]])
        rows.append(
            {
                "Job": NAMES[row["job"]],
                f"Memory {labels.ESTIMATE}": _marked(memory, row[WAYS[way]]),
                f"Disk {labels.ESTIMATE}": disk,
                f"Time {labels.ESTIMATE}": time,
            }
        )
    frame = pd.DataFrame(rows).set_index("Job")
    st.table(
        frame, border="horizontal", alt=f"Estimates of memory, disk and time of every job, {way.lower()}"
    )


def _marked(memory: str, taken: Mapping[str, Any] | None) -> str:
    """Memory, with a mark where it does not fit."""
    return memory if taken is None or taken["fits"] else f":orange[{memory}, too much]"
