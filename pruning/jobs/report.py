"""The running job's row in the workspace: its bar, its time left and what it says, a few times a second."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from pruning.errors import PruningError
from pruning.jobs.clock import JobClock
from pruning.jobs.history import History
from pruning.jobs.stages import Course
from pruning.progress import Place
from pruning.workspace.store import Store

WRITE_SECONDS = 0.25
# The bar goes on with the time where a job says nothing.
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Report:
    """Hears the events of one job, and writes its progress; `share` of the work is `done` of a `total` of 1.

    Parameters
    ----------
    store
        The workspace with the job's row.
    job_id, model
        The job, and the model of its request.
    course
        The stages it is expected to go through.
    """

    def __init__(self, store: Store, job_id: int, model: Mapping[str, Any], course: Course) -> None:
        self._store, self._job_id = store, job_id
        self._history = History(store, model)
        self._clock = JobClock(course, self._history.seconds, time.monotonic())
        self._news: dict[str, Any] = {}
        self._written = 0.0

    def progress(self, event: Mapping[str, Any], stopping: bool) -> None:
        """Take one report of the job; while it is `stopping` what it says about its work is left out."""
        place = Place(event["stage"], event["round"], event["rounds"])
        now = time.monotonic()
        self._clock.report(place, event["share"], now)
        self._look(now)
        if not stopping:
            self._news["note"] = event["note"]

    def note(self, text: str) -> None:
        """Say something else than the job does."""
        self._news["note"] = text

    def write(self, now: float, at_once: bool = False) -> None:
        """Write what is new, if it is time for that."""
        if now - self._written >= LOOK_SECONDS:
            self._look(now)
        if not self._news or (now - self._written < WRITE_SECONDS and not at_once):
            return
        try:
            self._store.update_job(self._job_id, **self._news)
        except PruningError:
            # Progress is not worth a failed job; the next try comes soon.
            log.exception("The progress of job %d cannot be written", self._job_id)
        else:
            self._news = {}
        self._written = now

    def end(self, done: bool) -> set[str]:
        """Keep how long its stages took for the jobs to come; returns the names of those that were done."""
        taken = self._clock.taken(time.monotonic(), done)
        try:
            self._history.keep(taken)
        except PruningError:
            log.exception("The times of job %d cannot be kept", self._job_id)
        return set(taken)

    def _look(self, now: float) -> None:
        share, left = self._clock.look(now)
        self._news.update(done=share, total=1.0, seconds_left=left)
