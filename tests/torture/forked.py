"""One case in a process of its own, forked from one that has the libraries, with limits."""

import contextlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Of computing: others may use the machine. Who waits for what never comes is ended after the longer time.
SECONDS, WAIT_SECONDS, MEGABYTES = 30.0, 75.0, 1000.0
# Above the 1 GB that is asked for, so that a case is seen to go over it, and the machine stays well.
_HEADROOM = 2 * 10**9
_POLL = 0.005


@dataclass(frozen=True)
class Ended:
    """How a case ended: what it said, or why it is lost; and what it took."""

    said: str
    lost: str | None
    seconds: float
    megabytes: float


def forked(work: Callable[[], str], log: Path) -> Ended:
    """Do `work`, which returns what was said, in a fork of this process.

    Parameters
    ----------
    work
        Raises AssertionError with a sentence where something was lost. Any other exception is a loss too.
    log
        A file for what the fork prints.
    """
    answer, question = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(answer)
        _in_child(work, question, log)
    os.close(question)
    lost, seconds = _waited(child, begun)
    with os.fdopen(answer, "rb") as pipe:
        text = pipe.read()
    if lost is None and not text:
        lost = "the process ended without a word"
    told = json.loads(text) if text else {"said": "", "lost": None, "megabytes": 0.0}
    lost = lost or told["lost"]
    if lost is None and seconds > SECONDS:
        lost = f"computed for {seconds:.0f} s"
    if lost is None and told["megabytes"] > MEGABYTES:
        lost = f"took {told['megabytes']:.0f} MB"
    return Ended(told["said"], lost, seconds, told["megabytes"])


def _waited(child: int, begun: float) -> tuple[str | None, float]:
    """Why the child is lost, as seen from outside, and how many seconds it computed; it has ended."""
    hung = False
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begun > WAIT_SECONDS and not hung:
            os.kill(child, signal.SIGKILL)
            hung = True
        time.sleep(_POLL)
    seconds = used.ru_utime + used.ru_stime
    if hung:
        return f"did not end within {WAIT_SECONDS:.0f} s", seconds
    if os.WIFSIGNALED(status):
        return f"crashed ({signal.Signals(os.WTERMSIG(status)).name})", seconds
    return None, seconds


def _in_child(work: Callable[[], str], question: int, log: Path) -> None:
    """Do the work with limits, write how it went into the pipe, and end without Python's exit functions."""
    told = {"said": "", "lost": None, "megabytes": 0.0}
    with contextlib.suppress(BaseException):
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        # Files in the place of a process's memory do not count: a crash is told by its signal.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = _status("VmSize") + _HEADROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        Path("/proc/self/clear_refs").write_text("5")
        try:
            told["said"] = work()
        except AssertionError as error:
            told["lost"] = str(error)
        except BaseException as error:
            traceback.print_exc()
            told["lost"] = f"{type(error).__name__}: {error}"[:300]
        told["megabytes"] = _status("VmHWM") / 1e6
        os.write(question, json.dumps(told).encode()[:60_000])
        sys.stdout.flush()
    os._exit(0)


def _status(field: str) -> int:
    """A figure of this process in bytes, from what the kernel says of it."""
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith(f"{field}:"):
            return int(text.split()[1]) * 1024
    return 0
