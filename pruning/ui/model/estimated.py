"""What jobs will take with a model that is not loaded yet, by its headers and by how fast this machine is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from pruning.planning.cost.estimate.result import estimates
from pruning.planning.cost.given.machine import Speeds, this_machine
from pruning.planning.cost.given.quick_probe import quick_speeds
from pruning.planning.cost.given.read import Source, source_of
from pruning.ui.data.queries import store

SPEEDS = "speeds"


@st.cache_data(ttl=30, show_spinner=False, max_entries=20)
def cached_estimates(reference: str, dtype: str, device: str) -> dict[str, Any]:
    """The estimates of every job, kept for half a minute; see `pruning.planning.cost.estimate.result`.

    Raises PruningError where nothing can be worked out.
    """
    source = source_of(reference)
    return estimates(source, this_machine(store().root), _speeds(source, dtype, device), dtype, None)


def _speeds(source: Source, dtype: str, device: str) -> Speeds:
    """How fast this machine was found to be, by `prunescope estimate` or else now, without torch.

    A GPU is known to that command alone; until it ran, times are the processor's.
    """
    rows = store().find(SPEEDS, dtype=dtype)
    wanted = None if device == "auto" else device
    known = next((row for row in rows if wanted in (None, row["key"]["device"])), None)
    if known is None:
        known = next(iter(store().find(SPEEDS, dtype="quick")), None)
    if known is not None:
        return Speeds(**known["value"])
    speeds = quick_speeds(source.shape, source.files, store().root)
    store().put(SPEEDS, {"dtype": "quick", "device": "cpu"}, asdict(speeds))
    return speeds
