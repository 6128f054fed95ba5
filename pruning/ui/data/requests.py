"""What pages ask of the runner, and the jobs that came of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.jobs import runner
from pruning.ui.data import session
from pruning.ui.data.queries import store
from pruning.workspace.store import BACKGROUND, WAITING, Job


def request(task: str, **arguments: Any) -> dict[str, Any]:
    """A request for the runner about the session's model."""
    choice = session.current()
    return {
        "task": task,
        "model": {
            "reference": choice.model,
            "dtype": choice.dtype,
            "device": choice.device,
            "trust_remote_code": choice.trust_remote_code,
            "allow_pickle": choice.allow_pickle,
        },
        "arguments": arguments,
    }


def capability_map_request() -> dict[str, Any]:
    """What works out the capability map of the session's criterion and text."""
    choice = session.current()
    return request("capabilities", criterion=choice.criterion, data=choice.data)


def map_request() -> dict[str, Any]:
    """What draws the sensitivity map of the session's criterion and text."""
    choice = session.current()
    return request("map", criterion=choice.criterion, data=choice.data)


def submit(request: dict[str, Any]) -> int:
    """Queue a request, and remember its job as the session's latest of this task.

    What nobody asked for gives way to it, and begins again when it is done.
    """
    job_id = runner().submit(request)
    st.session_state[f"job_{request['task']}"] = job_id
    for job in waiting_jobs():
        if job.id < job_id and job.request.get(BACKGROUND):
            with suppress(PruningError):  # another dashboard's
                runner().cancel(job.id)
                if job.request["task"] != request["task"]:
                    runner().submit(job.request)
    return job_id


def expected_seconds(*asked: dict[str, Any]) -> float | None:
    """How long requests will take one after the other once they begin, by this machine's earlier runs.

    None where neither the same work nor any other with a comparable model was timed here.
    """
    return runner().expected_seconds(*asked)


def waiting_jobs() -> list[Job]:
    """Queued and running jobs of every session, oldest first."""
    return list(reversed(store().jobs(WAITING)))


def about_model(job: Job) -> bool:
    """Whether a job is about the session's model."""
    return bool(job.request["model"]["reference"] == session.current().model)


def latest_job(task: str) -> Job | None:
    """The job of this task that this session asked for last; after a reload the newest one of its model."""
    job_id = st.session_state.get(f"job_{task}")
    if job_id is not None:
        job = store().job(job_id)
        return job if about_model(job) else None
    return next((j for j in store().jobs() if j.request["task"] == task and about_model(j)), None)
