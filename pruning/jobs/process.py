"""The child process that holds the model, seen from the server: start, speak, listen, end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pruning

# Training finishes its step, which may take long, and writes down where it is.
SLOW_TO_STOP = {"recover": 120.0, "progressive": 120.0}
LOG_BYTES = 5_000_000
KILL_SECONDS = 2.0


@dataclass(frozen=True)
class Engine:
    """The modules the child takes its TASKS with their Session, and its `load`, from.

    `slow_to_stop`: how many seconds tasks that save what they have may take for it once cancelled.
    """

    tasks: str = "pruning.tasks"
    models: str = "pruning.engine.models.load"
    slow_to_stop: Mapping[str, float] = field(default_factory=lambda: dict(SLOW_TO_STOP))


class EngineProcess:
    """One child process. What it says goes to the `listen` callback, from a thread of its own."""

    def __init__(self, engine: Engine, root: Path, device: str) -> None:
        self.log = _log_file(root, device)
        command = [sys.executable, "-m", "pruning.jobs.worker", "--root", str(root)]
        command += ["--tasks", engine.tasks, "--models", engine.models]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                # Ctrl-C in the terminal is for the server, which then ends the child in good order.
                start_new_session=True,
            )

    def listen(self, heard: Callable[[dict[str, Any]], None]) -> None:
        """Pass on every event, and {"event": "gone"} last, when the process has ended."""
        reader = threading.Thread(target=self._read, args=(heard,), daemon=True)
        reader.start()
        threading.Thread(target=self._await_end, args=(reader, heard), daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message. A child that is gone is no error here; its "gone" event says so."""
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            return
        try:
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()
        except OSError:
            return

    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self, grace: float) -> None:
        """Ask by closing its input, wait `grace` seconds, then terminate, then kill."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        for seconds, harder in ((grace, self._process.terminate), (KILL_SECONDS, self._process.kill)):
            try:
                self._process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                harder()
        self._process.wait()

    def cause_of_death(self) -> str:
        """Why a process that ended by itself did so, in a sentence for the user."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return (
                "The engine process was killed, most likely because memory ran out. Choose a smaller model, "
                "a smaller data type such as bfloat16, or less data, and try again."
            )
        if code < 0:
            return f"The engine process crashed ({_signal_name(-code)}). The end of {self.log} may say why."
        return f"The engine process ended by itself (exit code {code}). The end of {self.log} may say why."

    def _read(self, heard: Callable[[dict[str, Any]], None]) -> None:
        with self._process.stdout or nullcontext(()) as lines:
            for line in lines:
                try:
                    heard(json.loads(line))
                except ValueError:
                    # Half a line: the child died while writing it.
                    continue

    def _await_end(self, reader: threading.Thread, heard: Callable[[dict[str, Any]], None]) -> None:
        self._process.wait()
        # What it said before it ended comes first. Not forever: a grandchild may hold the pipe open.
        reader.join(KILL_SECONDS)
        heard({"event": "gone"})


def _log_file(root: Path, device: str) -> Path:
    folder = root / "logs"
    folder.mkdir(exist_ok=True)
    log = folder / f"worker-{re.sub(r'[^A-Za-z0-9]+', '-', device)[:40]}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log


def _environment() -> dict[str, str]:
    """The server's environment, in which the child also finds this package when it is not installed."""
    environment = dict(os.environ)
    home = Path(pruning.__file__).resolve().parent.parent
    if home.name not in ("site-packages", "dist-packages"):
        paths = [str(home), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
