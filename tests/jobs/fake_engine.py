"""Tasks and a `load` for the tests of the job runner: small, without torch, able to go wrong on purpose."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pruning.errors import PruningError

loads: list[str] = []


class FakeModel:
    def __init__(self, reference: str) -> None:
        self.reference = reference


def load(reference: str, dtype: str = "float32", device: str = "auto", progress: Any = None) -> FakeModel:
    progress(1, 2, f"Reading {reference}")
    if reference == "missing":
        raise PruningError("There is no model 'missing'. Check the name.")
    loads.append(reference)
    return FakeModel(reference)


def count(loaded: FakeModel, store: Any, progress: Any, steps: int = 3) -> dict[str, Any]:
    for step in range(steps):
        progress(step + 1, steps, f"Step {step + 1}", {"point": step})
    store.put("measure", {"by": "count", "steps": steps}, {"steps": steps})
    return {"steps": steps, "model": loaded.reference, "pid": os.getpid(), "loads": loads}


def chatter(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    """Write to standard output in every way a library can."""
    print("from Python", flush=True)
    os.write(1, b'{"event": "done", "result": {"forged": true}}\n')
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    return {"input": sys.stdin.read()}


def refuse(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    raise PruningError("The text is empty. Choose another one.")


def stumble(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    raise KeyError("weights")


def overflow(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    raise MemoryError


def unsendable(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    return {"model": loaded}


def leave(loaded: FakeModel, store: Any, progress: Any, code: int) -> dict[str, Any]:
    os._exit(code)


def killed(loaded: FakeModel, store: Any, progress: Any, number: int = int(signal.SIGKILL)) -> dict[str, Any]:
    store.put("measure", {"by": "killed"}, {"kept": True})
    os.kill(os.getpid(), number)
    time.sleep(600)
    return {}


def patient(loaded: FakeModel, store: Any, progress: Any, marker: str) -> dict[str, Any]:
    """Report for ever; say in a file that everything was put back."""
    try:
        while True:
            progress(1, 2, "Waiting", {"pid": os.getpid()})
            time.sleep(0.02)
    finally:
        Path(marker).write_text("restored")


def deaf(loaded: FakeModel, store: Any, progress: Any) -> dict[str, Any]:
    """Report once and never again."""
    progress(1, 2, "Waiting", {"pid": os.getpid()})
    time.sleep(600)
    return {}


def slow(loaded: FakeModel, store: Any, progress: Any, marker: str) -> dict[str, Any]:
    """Hear nothing for longer than a test's grace, then stop in good order."""
    progress(1, 2, "Waiting", {"pid": os.getpid()})
    try:
        time.sleep(1.5)
        while True:
            progress(1, 2, "Waiting")
            time.sleep(0.02)
    finally:
        Path(marker).write_text("restored")


TASKS = {
    task.__name__: task
    for task in (count, chatter, refuse, stumble, overflow, unsendable, leave, killed, patient, deaf, slow)
}
