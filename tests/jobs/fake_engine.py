"""Tasks, a Session and a `load` for tests of the job runner: small, without torch, able to go wrong."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pruning.errors import PruningError

loads: list[str] = []


class FakeModel:
    def __init__(self, reference: str) -> None:
        self.reference = reference


@dataclass(frozen=True)
class Session:
    loaded: FakeModel
    store: Any
    data: str = "demo"
    progress: Any = None

    def on(self, data: str) -> "Session":
        return replace(self, data=data)

    def reporting(self, progress: Any) -> "Session":
        return replace(self, progress=progress)


def load(reference: str, dtype: str = "float32", device: str = "auto", progress: Any = None) -> FakeModel:
    progress(1, 2, f"Reading {reference}")
    if reference == "missing":
        raise PruningError("There is no model 'missing'. Check the name.")
    loads.append(reference)
    return FakeModel(reference)


def count(session: Session, steps: int = 3) -> dict[str, Any]:
    for step in range(steps):
        session.progress(step + 1, steps, f"Step {step + 1}", {"point": step})
    session.store.put("measure", {"by": "count", "steps": steps}, {"steps": steps})
    return {"steps": steps, "model": session.loaded.reference, "pid": os.getpid(), "loads": loads}


def chatter(session: Session) -> dict[str, Any]:
    """Write to standard output in every way a library can."""
    print("from Python", flush=True)
    os.write(1, b'{"event": "done", "result": {"forged": true}}\n')
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    return {"input": sys.stdin.read()}


def refuse(session: Session) -> dict[str, Any]:
    raise PruningError("The text is empty. Choose another one.")


def stumble(session: Session) -> dict[str, Any]:
    raise KeyError("weights")


def overflow(session: Session) -> dict[str, Any]:
    raise MemoryError


def unsendable(session: Session) -> dict[str, Any]:
    return {"model": session.loaded}


def leave(session: Session, code: int) -> dict[str, Any]:
    os._exit(code)


def killed(session: Session, number: int = int(signal.SIGKILL)) -> dict[str, Any]:
    session.store.put("measure", {"by": "killed"}, {"kept": True})
    os.kill(os.getpid(), number)
    time.sleep(600)
    return {}


def patient(session: Session, marker: str) -> dict[str, Any]:
    """Report for ever; say in a file that everything was put back."""
    try:
        while True:
            session.progress(1, 2, "Waiting", {"pid": os.getpid()})
            time.sleep(0.02)
    finally:
        Path(marker).write_text("restored")


def deaf(session: Session) -> dict[str, Any]:
    """Report once and never again."""
    session.progress(1, 2, "Waiting", {"pid": os.getpid()})
    time.sleep(600)
    return {}


def slow(session: Session, marker: str) -> dict[str, Any]:
    """Hear nothing for longer than a test's grace, then stop in good order."""
    session.progress(1, 2, "Waiting", {"pid": os.getpid()})
    try:
        time.sleep(1.5)
        while True:
            session.progress(1, 2, "Waiting")
            time.sleep(0.02)
    finally:
        Path(marker).write_text("restored")


TASKS = {
    task.__name__: task
    for task in (count, chatter, refuse, stumble, overflow, unsendable, leave, killed, patient, deaf, slow)
}
