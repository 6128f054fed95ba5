"""The child process: keeps one model loaded and does one request after another.

Started as `python -m pruning.jobs.worker`. Reads JSON lines from standard input, {"op": "run", "job",
"request"} and {"op": "cancel", "job"}, and writes events as JSON lines to what was standard output.
"""

import argparse
import gc
import importlib
import inspect
import json
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pruning.errors import Cancelled, PruningError
from pruning.planning.cost.estimate.loading import way_to_load
from pruning.progress import Place, StageProgress, stage
from pruning.workspace.store import Store
from pruning.workspace.task_registry import BY_NAME

# Names the Ray cluster that shares the work; `prunescope app --ray` sets it.
RAY, CLUSTER = "PRUNESCOPE_RAY", "pruning.tasks.cluster.ray_cluster"
MODELS, PROBE = "pruning.engine.models.load", "pruning.engine.evaluation.probe"
# How long a task may go on after the dashboard is gone.
ORPHAN_SECONDS = 5.0


class Pipe:
    """Both pipes to the dashboard, the requests that wait, and which of them is no longer wanted."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._lock = threading.Lock()
        self._unwanted: set[int] = set()
        self._closed = False
        self.requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()

    def send(self, event: dict[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            with self._lock:
                self._outgoing.write(line)
                self._outgoing.flush()
        except OSError:
            self._closed = True

    def unwanted(self, job: int) -> bool:
        return self._closed or job in self._unwanted

    def _listen(self) -> None:
        for line in self._incoming:
            try:
                message = json.loads(line)
            except ValueError:
                # Half a line: the dashboard died while writing it.
                break
            if message["op"] == "cancel":
                self._unwanted.add(message["job"])
            else:
                self.requests.put(message)
        # The dashboard is gone: the task may stop by itself, but nothing may stay behind with a model.
        self._closed = True
        self.requests.put(None)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)


class ModelHost:
    """The session with the loaded model, kept from one request to the next; another model takes its place.

    `ray`: the Ray cluster that shares the work of tasks that can be shared; empty for none.
    """

    def __init__(self, tasks: str, models: str, root: Path, ray: str = "") -> None:
        self._tasks, self._models, self._root, self._ray = tasks, models, root, ray
        self._name: str | None = None
        self._session: Any = None

    def perform(self, request: dict[str, Any], progress: Any) -> dict[str, Any]:
        """Do one request. Raises PruningError for one that cannot be understood."""
        if self._tasks not in sys.modules:
            stage(progress, "start", "Starting the engine")
        tasks = importlib.import_module(self._tasks).TASKS
        name, arguments = str(request.get("task")), dict(request.get("arguments") or {})
        task = tasks.get(name)
        if task is None:
            raise PruningError(f"There is no task {name!r}. Choose one of {', '.join(sorted(tasks))}.")
        data = arguments.pop("data", "demo")
        _check_arguments(f"The task {name}", task, (None,), arguments)
        model = request.get("model") or {}
        session = self._load(self._way(model, str(name), arguments), progress)
        progress(0, 1, "")
        session = session.on(data).reporting(progress)
        if not (self._ray and name in BY_NAME and BY_NAME[name].shared):
            return task(session, **arguments)
        progress(0, 1, "Joining the cluster")
        cluster = importlib.import_module(CLUSTER).cluster
        with cluster(self._ray, str(model.get("device") or "auto")) as each:
            return task(replace(session, each=each), **arguments)

    def drop(self) -> None:
        """Let go of the model and give its memory back."""
        self._name = self._session = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _way(self, model: dict[str, Any], task: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The model's options with the way in which it is loaded for the task, as estimates have it.

        Raises PruningError, before anything is loaded, where the task does not fit on this machine.
        """
        if self._models != MODELS:
            return model
        how = {name: value for name, value in model.items() if name != "reference"}
        engine, models = importlib.import_module(PROBE), importlib.import_module(self._models)
        machine = engine.machine_of(models.choose_device(how.get("device", "auto")), self._root)
        reference = str(model.get("reference"))
        return {"reference": reference, **way_to_load(reference, task, how, arguments, machine)}

    def _load(self, model: dict[str, Any], progress: Any) -> Any:
        name = json.dumps(model, sort_keys=True)
        if name != self._name:
            self.drop()
            progress(0, 1, f"Loading {model.get('reference')}")
            load = importlib.import_module(self._models).load
            options = {**model, "progress": progress}
            _check_arguments("The model", load, (), options)
            session = importlib.import_module(self._tasks).Session
            self._session = session(load(**options), Store(self._root))
            self._name = name
        return self._session


def serve(pipe: Pipe, host: ModelHost) -> None:
    """Do requests until the dashboard closes the pipe."""
    while (message := pipe.requests.get()) is not None:
        job, request = message["job"], message["request"]
        _log(f"job {job}: {json.dumps(request)}")
        event = _attempt(pipe, host, job, request)
        try:
            pipe.send(event | {"job": job})
        except (TypeError, ValueError):
            traceback.print_exc()
            error = f"The task {request.get('task')} gave a result that cannot be sent."
            pipe.send({"event": "failed", "job": job, "error": error, "unexpected": True})
        _log(f"job {job}: {event['event']}")


def _attempt(pipe: Pipe, host: ModelHost, job: int, request: dict[str, Any]) -> dict[str, Any]:
    """Do one request and say how it ended."""

    def hear(place: Place, share: float | None, note: str, partial: dict[str, Any] | None) -> None:
        # What is ready goes out even when the job is to stop: it has been paid for.
        about = {"stage": place.stage, "round": place.round, "rounds": place.rounds, "share": share}
        pipe.send({"event": "progress", "job": job, **about, "note": note, "partial": partial})
        if pipe.unwanted(job):
            raise Cancelled

    try:
        return {"event": "done", "result": host.perform(request, StageProgress(hear))}
    except Cancelled:
        return {"event": "cancelled"}
    except PruningError as error:
        return {"event": "failed", "error": str(error), "unexpected": False}
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        text = _unexpected(str(request.get("task")), error)
    # Nobody knows what a task that broke off has left behind, so the next one gets a fresh model. Out
    # here, because the traceback held in the handler above keeps the model alive.
    host.drop()
    return {"event": "failed", "error": text, "unexpected": True}


def _unexpected(task: str, error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    short_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if short_of_memory or "can't allocate memory" in text or "not enough memory" in text:
        return (
            f"Memory ran out during {task}. Choose a smaller model, a smaller data type such as bfloat16, "
            "or less data, and try again."
        )
    return f"The task {task} stopped with an unexpected error ({type(error).__name__}: {text})."


def _check_arguments(what: str, function: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    try:
        inspect.signature(function).bind(*given, **named)
    except TypeError as error:
        raise PruningError(f"{what} does not take what was asked for: {error}.") from error


def _log(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=sys.stderr, flush=True)


def _take_over_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep both pipes for the protocol alone.

    A library that prints, from Python or from C, then writes to the log, and one that asks a question
    finds the end of its input.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def main() -> None:
    parser = argparse.ArgumentParser(prog="pruning.jobs.worker")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--tasks", default="pruning.tasks")
    parser.add_argument("--models", default=MODELS)
    options = parser.parse_args()
    incoming, outgoing = _take_over_pipes()
    serve(
        Pipe(incoming, outgoing),
        ModelHost(options.tasks, options.models, options.root, os.environ.get(RAY, "")),
    )


if __name__ == "__main__":
    main()
