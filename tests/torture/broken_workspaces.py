"""Workspaces that are read-only, locked, of a newer version, cut short, left by a crash."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.torture.commands import complaint, environment
from tests.torture.table import Row, Run

SECONDS = 90.0
RESULTS = 200
# What a crash in the middle of a write leaves is made by being killed in one, over and over.
WRITER = """
import sys
from pathlib import Path
from pruning.workspace.store import Store
store = Store(Path(sys.argv[1]))
for n in range(10**9):
    store.put("torture", {"n": n}, {"text": "x" * 20_000})
    print(n, flush=True)
"""
HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class Found:
    """What was lost in one case, or None, and how long it took."""

    lost: str | None
    seconds: float


def rows(run: Run) -> Iterator[Row]:
    """A row a kind of broken workspace."""
    folder = run.folder("homes")
    few = run.short
    yield _row("workspace read-only", [_read_only(folder / "read-only")])
    yield _row("database locked by another process", [] if few else [_locked(folder / "locked")])
    yield _row("database of a newer version", [_newer(folder / "newer")])
    yield _row(
        "database cut short or torn",
        [_cut(folder / f"cut-{n}", Random(f"{run.seed} {n}")) for n in range(3 if few else 25)],
    )
    yield _row(
        "killed in the middle of a write",
        [_killed(folder / f"killed-{n}", Random(f"{run.seed} {n}")) for n in range(1 if few else 12)],
    )
    yield _row("clock set back", [_clock_back(folder / "clock")])


def _row(what: str, found: list[Found]) -> Row:
    if not found:
        return Row(what, 0, skipped="in the short form")
    return Row(
        what, len(found), [case.lost for case in found if case.lost], max(case.seconds for case in found)
    )


def filled(home: Path) -> Path:
    """A workspace with results in it; the path of its database."""
    from pruning.workspace.store import Store

    store = Store(home)
    for n in range(RESULTS):
        store.put("torture", {"n": n}, {"n": n, "text": "x" * 500})
    store._anchor.close()
    return home / "prunescope.db"


def opened(home: Path, words: str, tool: tuple[str, ...] = ()) -> Found:
    """Open the workspace, read and write; it has to be refused in a sentence with these words."""
    code = "from pruning.workspace.store import Store\nfrom pruning.errors import PruningError\n" + (
        "try:\n    store = Store()\n    store.find('torture')\n    store.put('torture', {'n': -1}, {})\n"
        "except PruningError as error:\n    print('Error:', error)\n    raise SystemExit(1)\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [*tool, sys.executable, "-c", code],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    wrong = complaint(done.returncode, done.stdout + done.stderr, may_succeed=False)
    if wrong is None and words not in done.stdout:
        wrong = f"said {done.stdout.strip()[:200]!r}"
    return Found(wrong and f"{home.name}: {wrong}", time.monotonic() - begun)


def _read_only(home: Path) -> Found:
    """Root may write everywhere, so that it is somebody else who asks."""
    path = filled(home)
    tool = _as_nobody()
    if tool is None:
        return Found(None, 0.0)
    before = path.read_bytes()
    for place in (home, *home.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        found = opened(home, "cannot be written", tool)
    finally:
        for place in (home, *home.rglob("*")):
            place.chmod(0o755)
    return (
        found if path.read_bytes() == before else Found("read-only: the database was changed", found.seconds)
    )


def _as_nobody() -> tuple[str, ...] | None:
    """What a command is run through so that files are read-only to it; None where there is none."""
    if os.geteuid() != 0:
        return ()
    tool = shutil.which("setpriv")
    return None if tool is None else (tool, "--reuid=65534", "--regid=65534", "--clear-groups")


def _locked(home: Path) -> Found:
    path = filled(home)
    with _held(path):
        found = opened(home, "stayed locked by another program")
    return Found(found.lost or _all_there(home), found.seconds)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Another process that has the database for itself."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield
    finally:
        holder.kill()
        holder.communicate()


def _newer(home: Path) -> Found:
    path = filled(home)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    found = opened(home, "newer Prunescope")
    return found if path.read_bytes() == before else Found("newer: the database was changed", found.seconds)


def _cut(home: Path, random: Random) -> Found:
    """A database that ends early, or has noise in it: it opens as far as it is whole, or says so."""
    path = filled(home)
    content = bytearray(path.read_bytes())
    at = random.randrange(len(content))
    if random.random() < 0.5:
        content = content[:at]
    else:
        content[at : at + 5000] = random.randbytes(min(5000, len(content) - at))
    path.write_bytes(content)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(home)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    said = done.stdout + done.stderr
    lost = (
        None
        if done.returncode == 0 and "Traceback" not in said
        else f"{home.name} at {at}: {said.strip()[-200:]}"
    )
    return Found(lost, time.monotonic() - begun)


# Everything that pages and commands do with a workspace, in order; each may say that it cannot.
_TRY = """
import sys
from pathlib import Path
from pruning.errors import PruningError
from pruning.workspace.runs import runs, storage
from pruning.workspace.store import Store

def tried(work):
    try:
        return work()
    except PruningError as error:
        assert str(error).strip()

store = tried(lambda: Store(Path(sys.argv[1])))
for work in (
    lambda: store.find("torture"), lambda: store.latest("n"), lambda: store.jobs(), lambda: runs(store),
    lambda: storage(store), lambda: store.put("torture", {"n": 1}, {}), lambda: store.fail_interrupted(),
    lambda: store.add_job({"task": "x"}, "nobody"), lambda: store.next_job("nobody"),
):
    if store is not None:
        tried(work)
"""


def _killed(home: Path, random: Random) -> Found:
    """Killed while it writes: every result that it said it had kept is there, and the next one goes on."""
    from pruning.workspace.store import Store

    begun = time.monotonic()
    said: list[str] = []
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home)], env=environment(home), stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    said.append(writer.stdout.readline())
    time.sleep(random.uniform(0, 0.5))
    writer.send_signal(signal.SIGKILL)
    said += writer.communicate()[0].splitlines()
    kept = max(int(line) for line in said if line.strip().isdigit())
    store = Store(home)
    there = {row["key"]["n"] for row in store.find("torture")}
    store.put("torture", {"n": -1}, {})
    missing = {*range(kept + 1)} - there
    whole = sqlite3.connect(home / "prunescope.db").execute("PRAGMA integrity_check").fetchone()[0]
    lost = (
        f"{len(missing)} of {kept + 1} results"
        if missing
        else None
        if whole == "ok"
        else f"integrity: {whole}"
    )
    return Found(lost and f"{home.name}: {lost}", time.monotonic() - begun)


def _all_there(home: Path) -> str | None:
    from pruning.workspace.store import Store

    return None if len(Store(home).find("torture")) >= RESULTS else f"{home.name}: results are gone"


def _clock_back(home: Path) -> Found:
    """A clock set back by a year: results, jobs and durations are as they should be."""
    checks: dict[str, Callable[[], bool]] = {}
    from pruning.jobs.clock import JobClock
    from pruning.jobs.stages import Course, Stage
    from pruning.progress import Place
    from pruning.workspace import store as stores

    begun, now = time.monotonic(), time.time()
    filled(home)
    store = stores.Store(home)
    first = store.add_job({"task": "before"}, "me")
    truly = time.time
    try:
        stores.time.time = lambda: now - 365 * 86400  # type: ignore[assignment]
        store.put("torture", {"n": 1}, {"new": True})
        second = store.add_job({"task": "after"}, "me")
        taken = [store.next_job("me"), store.next_job("me")]
        store.update_job(first, state="done", finished=stores.time.time())
        clock = JobClock(Course((Stage(""),)), lambda _: None, time.monotonic())
        clock.report(Place("", 0, 0), 0.5, time.monotonic())
        checks["what was put last counts"] = lambda: store.get("torture", {"n": 1}) == {"new": True}
        checks["jobs keep their order"] = lambda: [job.id for job in taken if job] == [first, second]
        checks["the newest job comes first"] = lambda: store.jobs()[0].id == second
        checks["time left is not below 0"] = lambda: (clock.look(time.monotonic())[1] or 0) >= 0
        checks["all results are found"] = lambda: len(store.find("torture")) == RESULTS
        checks["interrupted jobs are marked"] = lambda: store.fail_interrupted() == 1
        wrong = [name for name, holds in checks.items() if not holds()]
    finally:
        stores.time.time = truly
    return Found(f"clock: not so that {wrong[0]}" if wrong else None, time.monotonic() - begun)
