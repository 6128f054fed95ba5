"""Work that begins by itself once a model is loaded: its baseline, and its timing on this machine.

It waits behind whatever anybody asks for; see `pruning.ui.data.requests.submit`.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.jobs import runner
from pruning.ui.data import costs, queries, requests, session
from pruning.workspace.store import BACKGROUND, WAITING

# In the session: the model that was asked for last, until it is there.
LOADING = "loading"


def after_loading() -> None:
    """Say that the session's model is being loaded; what belongs to it follows when it is there.

    The job may be asked for before or after this, in the same run.
    """
    before = requests.latest_job("inspect")
    waiting = before is not None and before.state in WAITING
    st.session_state[LOADING] = (_identity(), before.id if before and not waiting else 0)


def follow() -> None:
    """Queue what is still to be measured of the model that was being loaded, once it is there."""
    model_asked, earlier = st.session_state.get(LOADING, (None, 0))
    if model_asked != _identity():
        return
    job = requests.latest_job("inspect")
    if job is None or job.id <= earlier or job.state in WAITING:
        return
    del st.session_state[LOADING]
    model = queries.info()
    if job.state != "done" or model is None:
        return  # it could not be loaded
    waiting = [job.request["task"] for job in requests.waiting_jobs() if requests.about_model(job)]
    for request in _missing(model):
        if request["task"] not in waiting:
            runner().submit({**request, BACKGROUND: True})


def _missing(model: queries.Info) -> list[dict[str, Any]]:
    asked = []
    if queries.baseline(model) is None:
        asked.append(requests.request("baseline", data=session.current().data))
    if queries.latency(model) is None:
        asked.append(costs.timing_request())
    return asked


def _identity() -> tuple[str, str, str, str]:
    choice = session.current()
    return (choice.model, choice.dtype, choice.device, choice.data)
