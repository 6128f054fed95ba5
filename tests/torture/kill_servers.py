"""`kill -9` of the dashboard's process and of its worker: the queue goes on, and nothing stays behind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import psutil

from tests.torture.commands import environment
from tests.torture.inputs.mutate import Basis
from tests.torture.table import Row, Run

# What the dashboard's process does with jobs, without its pages.
SERVER = """
import json, sys, time
from pathlib import Path
from pruning.jobs import Runner
from pruning.workspace.store import Store
runner = Runner(Store(Path(sys.argv[1])))
for request in json.loads(sys.argv[2]):
    print(runner.submit(request), flush=True)
for line in sys.stdin:
    pass
"""
ENDED = ("done", "failed", "cancelled")
WAIT, ORPHAN = 150.0, 12.0
MOMENTS = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A process with a runner, its workspace, and the jobs it was asked for."""

    process: subprocess.Popen[str]
    home: Path
    jobs: list[int]

    def worker(self) -> psutil.Process | None:
        """The engine process that it started; None where it has not yet."""
        found = psutil.Process(self.process.pid).children()
        return found[0] if found else None

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def server_rows(run: Run, basis: Basis) -> Iterator[Row]:
    """One row for workers, one for servers."""
    for what, kill in (("worker", _kill_worker), ("dashboard's process", _kill_server)):
        random = Random(f"{run.seed} {what}")
        moments = sorted(random.uniform(0.5, 9.0) for _ in range(MOMENTS))
        losses, worst = [], 0.0
        for number, moment in enumerate(moments):
            begun = time.monotonic()
            lost = kill(run.folder(f"{what.split()[-1]}-{number}"), basis, moment)
            losses += [f"killed after {moment:.1f} s: {lost}"] if lost else []
            worst = max(worst, time.monotonic() - begun)
        said = "killed after " + ", ".join(f"{moment:.1f}" for moment in moments) + " s"
        yield Row(f"kill -9 of the {what}", len(moments), losses, worst, note=said)


def requests(basis: Basis) -> list[dict[str, Any]]:
    """A sweep of many points, and another one after it."""
    model = {"reference": str(basis.model), "device": "cpu"}
    about = {"data": str(basis.text), "kinds": ["up", "down", "qkv", "gate"]}
    levels = [round(0.02 * n, 2) for n in range(5, 30)]
    return [
        {"task": "sweep", "model": model, "arguments": {**about, "levels": levels}},
        {"task": "sweep", "model": model, "arguments": {**about, "levels": [0.05]}},
    ]


def started(home: Path, basis: Basis) -> Server:
    """A server that has been asked for the jobs."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(home), json.dumps(requests(basis))],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return Server(process, home, [int(process.stdout.readline()) for _ in requests(basis)])


def until(found: Callable[[], T], seconds: float = WAIT) -> T:
    """What `found` gives once it is true, or at last when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


def _kill_worker(home: Path, basis: Basis, moment: float) -> str | None:
    """The job that ran fails in a sentence, the one behind it is done, and what was measured stays."""
    from pruning.workspace.store import Store

    server = started(home, basis)
    try:
        worker = until(server.worker)
        if worker is None:
            return "no worker was started"
        time.sleep(moment)
        store = Store(home)
        before = {row["id"] for row in store.find("sweep_point")}
        worker.kill()
        jobs = [store.job(number) for number in server.jobs]
        ran = next((job for job in jobs if job.state == "running"), None)
        until(lambda: all(store.job(number).state in ENDED for number in server.jobs))
        jobs = [store.job(number) for number in server.jobs]
        last = jobs[-1]
        if last.state != "done" and (ran is None or last.id != ran.id):
            return f"the job behind it: {last.state} ({last.error})"
        failed = [job for job in jobs if job.state == "failed"]
        if any("was killed" not in str(job.error) for job in failed):
            return f"it was said: {failed[0].error}"
        missing = before - {row["id"] for row in store.find("sweep_point")}
        return f"{len(missing)} points" if missing else None
    finally:
        server.end()


def _kill_server(home: Path, basis: Basis, moment: float) -> str | None:
    """The worker ends by itself; the next server says what was interrupted, keeps points, and does it."""
    from pruning.workspace.store import Store

    server = started(home, basis)
    worker = until(server.worker)
    time.sleep(moment)
    store = Store(home)
    before = {row["id"] for row in store.find("sweep_point")}
    unfinished = [number for number in server.jobs if store.job(number).state not in ENDED]
    server.end()
    if worker is not None and not until(lambda: _gone(worker), ORPHAN):
        worker.kill()
        return f"the worker was still there after {ORPHAN:.0f} s"
    again = started(home, basis)
    try:
        kept = [store.job(number) for number in unfinished]
        if any(job.state != "failed" or "interrupted" not in str(job.error) for job in kept):
            return f"the old job is {kept[0].state} ({kept[0].error})"
        until(lambda: all(store.job(number).state in ENDED for number in again.jobs))
        jobs = [store.job(number) for number in again.jobs]
        if any(job.state != "done" for job in jobs):
            return f"the next start: {jobs[0].state} ({jobs[0].error})"
        missing = before - {row["id"] for row in store.find("sweep_point")}
        result = jobs[0].result or {}
        if result["measured"] > max(0, len(result["points"]) - len(before)):
            return f"{len(before)} points were there, and {result['measured']} were measured again"
        return f"{len(missing)} points" if missing else None
    finally:
        again.end()


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
