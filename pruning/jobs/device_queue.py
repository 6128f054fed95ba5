"""One device's queue: takes a job from the store, has the child process do it, writes down what comes."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pruning.errors import PruningError
from pruning.jobs.asked import Held
from pruning.jobs.courses import course_of
from pruning.jobs.process import EngineProcess
from pruning.jobs.report import WRITE_SECONDS, Report
from pruning.workspace.store import Job, Store

RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class DeviceQueue:
    """A thread, the child process it has started, and the messages that wake it.

    Parameters
    ----------
    store
        Where the jobs are.
    owner
        The runner whose jobs are done, and their device.
    start
        Starts a child process.
    on_partial
        Takes what a job streams: the job's id and the data.
    grace, slow_to_stop
        Seconds that a cancelled task has to stop by itself, and those of tasks that have longer.
    """

    def __init__(
        self,
        store: Store,
        owner: tuple[str, str],
        start: Callable[[], EngineProcess],
        on_partial: Callable[[int, dict[str, Any]], None],
        grace: float,
        slow_to_stop: Mapping[str, float],
    ) -> None:
        self._store = store
        self._runner, self._device = owner
        self._start, self._on_partial, self._grace = start, on_partial, grace
        self._slow_to_stop = slow_to_stop
        self._inbox: queue.SimpleQueue[tuple[EngineProcess | None, dict[str, Any]]] = queue.SimpleQueue()
        self._process: EngineProcess | None = None
        self._held = Held()
        self._unwanted: set[int] = set()
        self._closing = threading.Event()
        # A daemon, because Python joins other threads before it runs the exit functions that stop this one.
        self._thread = threading.Thread(target=self._loop, name=f"queue {self._device}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._inbox.put((None, {"event": "wake"}))

    def cancel(self, job_id: int) -> None:
        self._unwanted.add(job_id)
        self.wake()

    def ready(self, request: Mapping[str, Any]) -> set[str]:
        """The stages of a request that the process would not go through, because it did before."""
        alive = self._process is not None and self._process.alive()
        return self._held.ready(request) if alive else set()

    def close(self) -> None:
        """Cancel the running job, take no other, end the process; `join` waits for it."""
        self._closing.set()
        self.wake()

    def join(self) -> None:
        self._thread.join()

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                job = self._store.next_job(self._runner, self._device)
            except PruningError:
                log.exception("The queue of device %s cannot be read; trying again", self._device)
                self._closing.wait(RETRY_SECONDS)
                continue
            if job is None:
                self._inbox.get()
            else:
                self._settle(job, self._outcome(job))
                self._unwanted.discard(job.id)
        if self._process is not None:
            self._process.end(self._grace)

    def _outcome(self, job: Job) -> dict[str, Any]:
        """Do the job; whatever goes wrong becomes its outcome, because the queue has to go on."""
        try:
            outcome = None
            while outcome is None:
                outcome = self._supervise(job, *self._ready_process())
            return outcome
        except OSError as error:
            return {"state": "failed", "error": f"The engine process could not be started ({error})."}
        except Exception as error:
            log.exception("Job %d could not be supervised", job.id)
            if self._process is not None:
                self._process.end(0)
            return {
                "state": "failed",
                "error": f"The job could not be followed ({type(error).__name__}: {error}).",
            }

    def _ready_process(self) -> tuple[EngineProcess, bool]:
        """The process to use, and whether it has been idle."""
        if self._process is not None and not self._process.alive():
            self._process.end(0)
            self._process = None
        if self._process is not None:
            return self._process, True
        process, self._held = self._start(), Held()
        self._process = process
        process.listen(lambda event: self._inbox.put((process, event)))
        return process, False

    def _supervise(self, job: Job, process: EngineProcess, was_idle: bool) -> dict[str, Any] | None:
        """How the job ended; None when the process had died idle and never saw it, which is not its fault."""
        process.send({"op": "run", "job": job.id, "request": job.request})
        course = course_of(job.request, self._store).without(self._held.ready(job.request))
        report = Report(self._store, job.id, job.request.get("model") or {}, course)
        deadline: float | None = None
        while True:
            now = time.monotonic()
            if deadline is None and (job.id in self._unwanted or self._closing.is_set()):
                process.send({"op": "cancel", "job": job.id})
                more = self._slow_to_stop.get(job.request["task"], 0.0)
                deadline = now + max(self._grace, more)
                report.note("Finishing this step, and saving" if more > self._grace else "Stopping")
            if deadline is not None and self._closing.is_set():
                deadline = min(deadline, now + self._grace)
            if deadline is not None and now >= deadline:
                process.end(0)
                return {"state": "cancelled", "note": "Stopped by ending the engine process"}
            report.write(now)
            try:
                sender, event = self._inbox.get(timeout=WRITE_SECONDS)
            except queue.Empty:
                continue
            if sender is not process or event.get("job", job.id) != job.id:
                continue
            if event["event"] == "gone" and was_idle and deadline is None:
                return None
            was_idle = False
            if event["event"] == "progress":
                if event["partial"] is not None:
                    self._on_partial(job.id, event["partial"])
                report.progress(event, stopping=deadline is not None)
            else:
                report.write(now, at_once=True)
                stages = report.end(done=event["event"] == "done")
                self._held = self._held.after(job.request, event, stages)
                return _ending(event, process, asked_to_stop=deadline is not None)

    def _settle(self, job: Job, outcome: dict[str, Any]) -> None:
        """Write how the job ended. Nothing else can be done while the disk is full, so keep trying."""
        while True:
            try:
                self._store.update_job(job.id, finished=time.time(), seconds_left=None, **outcome)
                return
            except PruningError:
                log.exception("The end of job %d cannot be written", job.id)
            if self._closing.wait(RETRY_SECONDS):
                return


def _ending(event: dict[str, Any], process: EngineProcess, asked_to_stop: bool) -> dict[str, Any]:
    """The job's last event as the fields to store."""
    if event["event"] == "done":
        return {"state": "done", "result": event["result"], "note": "", "done": 1.0, "total": 1.0}
    if event["event"] == "cancelled" or asked_to_stop:
        return {"state": "cancelled", "note": "Stopped"}
    if event["event"] == "gone":
        return {"state": "failed", "error": process.cause_of_death()}
    details = f" The details are in {process.log}." if event["unexpected"] else ""
    return {"state": "failed", "error": event["error"] + details}
