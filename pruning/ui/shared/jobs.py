"""Jobs on a page: progress, time left, cancel, and how the last one ended.

They stand at the bottom of the window, so that nothing on the page moves when one begins or ends. One
fragment looks at the workspace every second while something runs and every few seconds when nothing does,
so that a job that another session or the command line began is seen too. Only when the set of running jobs
changes does the whole page run again, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from pruning.jobs import runner
from pruning.ui.data import requests
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import title
from pruning.ui.shared.frame.places import name_of
from pruning.ui.text import format
from pruning.wording import counted
from pruning.workspace import task_registry
from pruning.workspace.store import BACKGROUND, Job

# Seconds between two looks: at running jobs, at none, at what a job has found so far, at its curves.
RUNNING, IDLE, PARTIAL, CURVES = 1.0, 5.0, 2.0, 3.0


def panel(tasks: tuple[str, ...], extra: Callable[[Job], None] | None = None) -> bool:
    """Show the jobs of these tasks and, in one line, other work; True while one that somebody asked for is
    under way.

    `extra(job)` draws below a running job, inside the polled part.
    """
    drawn = [job.id for job in requests.waiting_jobs()]
    # What began by itself gives way to what is asked for.
    busy = any(_mine(job, tasks) and not job.request.get(BACKGROUND) for job in requests.waiting_jobs())

    @st.fragment(run_every=RUNNING if drawn else IDLE)
    def watch() -> None:
        page_frame.callback_error()
        waiting = requests.waiting_jobs()
        if [job.id for job in waiting] != drawn:
            st.rerun()
        running = next((job for job in waiting if job.state == "running"), None)
        title.mark(format.percent(_share(running)) if running else None)
        for job in waiting:
            if _mine(job, tasks):
                _running(job, waiting)
                if extra is not None:
                    extra(job)
        others = [job for job in waiting if not _mine(job, tasks)]
        if others:
            _elsewhere(others)

    # Its place on the page is kept while it stands at the bottom: everything below would change places with
    # what was there, and for a moment stand there twice.
    place = st.container()
    with st.bottom if drawn else place:
        watch()
    if not busy:
        ended(tasks)
    return busy


def _mine(job: Job, tasks: tuple[str, ...]) -> bool:
    return job.request["task"] in tasks and requests.about_model(job)


def _running(job: Job, waiting: list[Job]) -> None:
    with st.container(key=f"job_panel_{job.id}"):
        left, right = st.columns([6, 1], vertical_alignment="center")
        with left:
            progress(job, waiting)
        right.button(
            "Cancel",
            key=f"cancel_{job.id}",
            icon=":material/stop_circle:",
            width="stretch",
            on_click=_cancel,
            args=(job.id,),
        )


def progress(job: Job, waiting: list[Job]) -> None:
    """One job's name, how far it is and how long it will take; `waiting` is all that is under way."""
    said = task_registry.title(job.request["task"])
    if job.state == "queued":
        ahead = sum(other.id < job.id for other in waiting)
        turn = f"waits for {counted(ahead, 'job')} before it" if ahead else "about to start"
        st.progress(0.0, f"**{said}** · {turn}")
    else:
        share = _share(job)
        st.progress(share, f"**{said}** · {_status(job, share)}")


def _share(job: Job) -> float:
    """How much of a job is done, 0..1."""
    return min(max(job.done / job.total, 0.0), 1.0) if job.total else 0.0


def _cancel(job_id: int) -> None:
    page_frame.on_click(lambda: runner().cancel(job_id))


def _status(job: Job, share: float) -> str:
    parts = [format.percent(share)]
    if job.note:
        parts.append(job.note)
    if job.seconds_left is not None:
        parts.append(_left(job.seconds_left))
    elif job.started:
        parts.append(f"{format.seconds(time.time() - job.started)} so far")
    return " · ".join(parts)


def _left(seconds: float) -> str:
    return f"about {format.seconds(seconds)} left"


def _elsewhere(others: list[Job]) -> None:
    job = others[0]
    task = job.request["task"]
    share = "waiting" if job.state == "queued" else format.percent(_share(job)) if job.total else "starting"
    share += f", {_left(job.seconds_left)}" if job.seconds_left is not None else ""
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    st.caption(
        f":material/hourglass_top: Also under way: {task_registry.title(task).lower()}, "
        f"{job.request['model']['reference']} ({share}, under {name_of(task_registry.page(task))}){more}"
    )


def ended(tasks: tuple[str, ...]) -> None:
    """How the session's own last jobs of these tasks ended, where they did not end well."""
    for task in tasks:
        job = requests.latest_job(task) if f"job_{task}" in st.session_state else None
        if job is not None and job.state == "failed":
            st.error(f"{task_registry.title(task)} failed. {job.error or ''}", icon=":material/error:")
        elif job is not None and job.state == "cancelled":
            st.warning(
                f"{task_registry.title(task)} was cancelled. What was finished by then is kept.",
                icon=":material/stop_circle:",
            )
