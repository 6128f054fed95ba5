"""The runner: what the pages talk to. It queues requests in the store and keeps one queue for each device."""

import atexit
import os
import threading
import uuid
from typing import Any

import psutil

from pruning.errors import PruningError
from pruning.jobs.courses import ONCE, course_of
from pruning.jobs.device_queue import DeviceQueue
from pruning.jobs.history import History
from pruning.jobs.process import Engine, EngineProcess
from pruning.workspace.store import Store

REMEMBERED = 50


class Runner:
    """Runs the jobs submitted through it, in order, in one child process for each device.

    Other runners on the same workspace keep their own jobs.

    Parameters
    ----------
    store
        The workspace: its jobs, and where results go.
    engine
        The modules that the child process takes its tasks from; otherwise the real ones.
    grace
        Seconds that a cancelled task has to stop by itself before its process is ended. Tasks that the engine
        calls slow to stop have longer, unless the runner itself is shut down.
    """

    def __init__(self, store: Store, engine: Engine | None = None, grace: float = 5.0) -> None:
        self.store = store
        self.closed = False
        self._id = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._engine = engine or Engine()
        self._grace = grace
        self._lock = threading.Lock()
        self._queues: dict[str, DeviceQueue] = {}
        self._partials: dict[int, list[dict[str, Any]]] = {}
        store.add_runner(self._id, os.getpid(), psutil.Process().create_time())
        store.fail_interrupted()
        atexit.register(self.shutdown)

    def submit(self, request: dict[str, Any]) -> int:
        """Queue a request.

        Parameters
        ----------
        request
            {"task", "model": {"reference", "device", ...}, "arguments"}.

        Returns
        -------
        int
            The job's id.

        Raises
        ------
        PruningError
            When the runner has been shut down.
        """
        with self._lock:
            if self.closed:
                raise PruningError("The dashboard is stopping and takes no more jobs. Start it again.")
            job_id = self.store.add_job(request, self._id)
            device = str((request.get("model") or {}).get("device") or "auto")
            queue = self._queues.get(device)
            if queue is None:
                queue = self._queues[device] = DeviceQueue(
                    self.store,
                    (self._id, device),
                    start=lambda: EngineProcess(self._engine, self.store.root, device),
                    on_partial=self._keep,
                    grace=self._grace,
                    slow_to_stop=self._engine.slow_to_stop,
                )
        queue.wake()
        return job_id

    def expected_seconds(self, *requests: dict[str, Any]) -> float | None:
        """How long requests about one model and text will take, one after the other, once the first begins.

        None where nothing of the kind was timed here.
        """
        if not requests:
            return 0.0
        model = requests[0].get("model") or {}
        with self._lock:
            queue = self._queues.get(str(model.get("device") or "auto"))
        history, total, ready = History(self.store, model), 0.0, set[str]()
        for request in requests:
            course = course_of(request, self.store)
            seconds = history.total(course.without(ready | (queue.ready(request) if queue else set())))
            if seconds is None:
                return None
            total += seconds
            ready |= ONCE & {stage.name for stage in course.stages()}
        return total

    def cancel(self, job_id: int) -> None:
        """Stop the job: at once if it is queued, else when the task lets go or its process is ended.

        A finished job stays as it is.

        Raises
        ------
        PruningError
            For a job of another running dashboard.
        """
        job = self.store.job(job_id)
        if job.state not in ("queued", "running"):
            return
        if job.runner != self._id:
            raise PruningError(f"Job {job_id} belongs to another running dashboard. Cancel it there.")
        if self.store.cancel_queued(job_id):
            return
        with self._lock:
            queues = list(self._queues.values())
        for queue in queues:
            queue.cancel(job_id)

    def partials(self, job_id: int) -> list[dict[str, Any]]:
        """Everything the job has streamed so far (kept in memory for the latest jobs of this runner)."""
        with self._lock:
            return list(self._partials.get(job_id, ()))

    def shutdown(self) -> None:
        """Cancel what is queued and running, and end the child processes. A second call does nothing."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            queues = list(self._queues.values())
        atexit.unregister(self.shutdown)
        for queue in queues:
            queue.close()
        for queue in queues:
            queue.join()
        try:
            for job in self.store.jobs(["queued"], limit=10_000):
                if job.runner == self._id:
                    self.store.cancel_queued(job.id)
            self.store.remove_runner(self._id)
        except PruningError:
            # A workspace that was deleted or filled up must not keep the server from stopping; what is
            # left over is marked as interrupted by the next start.
            return

    def _keep(self, job_id: int, partial: dict[str, Any]) -> None:
        with self._lock:
            self._partials.setdefault(job_id, []).append(partial)
            while len(self._partials) > REMEMBERED:
                del self._partials[next(iter(self._partials))]
