"""`kill -9` at random moments of every kind of work: nothing is lost or half, the next goes on."""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.basis import ready
from tests.torture.commands import halves
from tests.torture.inputs.mutate import Basis
from tests.torture.kill_servers import server_rows
from tests.torture.table import Row, Run
from tests.torture.work import EVERY, Work, digest, done, finished, same, timed

# Of 40 in all: those of commands here, those of servers and their workers in `kill_servers`.
MOMENTS, SHORT = 6, 1


@dataclass(frozen=True)
class Known:
    """One kind of work, done once undisturbed: what it gives, and how long it takes."""

    work: Work
    result: dict[str, Any]
    seconds: float


def rows(run: Run) -> Iterator[Row]:
    """A row a kind of work, and those of the dashboard's processes; the moments are in the notes."""
    with ready(run) as basis:
        for work in EVERY[1:2] if run.short else EVERY:
            yield _killed(work, basis, run)
        if not run.short:
            yield from server_rows(run, basis)


def _killed(work: Work, basis: Basis, run: Run) -> Row:
    """The work, killed at moments all over it."""
    dense = digest(basis.model)
    known = Known(work, *timed(work, basis, run.folder(f"undisturbed-{work.name}")))
    random, many = Random(f"{run.seed} {work.name}"), SHORT if run.short else MOMENTS
    moments = sorted(random.uniform(0.02, 1.0) * known.seconds for _ in range(many))
    losses, worst = [], 0.0
    for number, moment in enumerate(moments):
        begun = time.monotonic()
        lost = _broken_off(known, basis, run.scratch / f"{work.name}-{number}", moment)
        losses += [f"killed after {moment:.2f} s: {lost}"] if lost else []
        worst = max(worst, time.monotonic() - begun)
    losses += ["the dense weights are other ones"] if digest(basis.model) != dense else []
    said = "killed after " + ", ".join(f"{moment:.2f}" for moment in moments) + " s"
    return Row(f"kill -9 of the command {work.name}", len(moments), losses, worst, note=said)


def _broken_off(known: Known, basis: Basis, home: Path, moment: float) -> str | None:
    """What is lost when the work is killed after so many seconds and asked for again."""
    home.mkdir()
    out, work = home.parent / f"{home.name}-out", known.work
    child = os.fork()
    if child == 0:
        log = os.open(home.parent / f"{home.name}.killed.log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        done(work, basis, home, out)
        os._exit(0)
    time.sleep(moment)
    before = kept(home, work.rows)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    lost = damage(home, before, work.rows)
    whole = out.exists()
    if whole and lost is None and not (out / "recipe.yaml").exists():
        lost = "half an export"
    if lost is None:
        again = home.parent / f"{home.name}-again" if whole else out
        result, ended = finished(work, basis, home, again)
        lost = ended.lost or left_over(home)
        if lost is None and not same(work, result, known.result):
            lost = "what goes on gives something else"
        if (
            lost is None
            and work.rows == "sweep_point"
            and result["measured"] > len(result["points"]) - len(before)
        ):
            lost = f"{len(before)} points were there, and {result['measured']} were measured again"
    if lost is None:
        shutil.rmtree(home)
    return lost


def kept(home: Path, kind: str) -> set[str]:
    """The results of a kind in a workspace, by the names they are kept under."""
    path = home / "prunescope.db"
    if not kind or not path.exists():
        return set()
    connection = sqlite3.connect(path, timeout=30)
    try:
        return {row[0] for row in connection.execute("SELECT hash FROM results WHERE kind = ?", (kind,))}
    except sqlite3.OperationalError:  # its tables are not made yet
        return set()
    finally:
        connection.close()


def damage(home: Path, before: set[str], kind: str) -> str | None:
    """What a kill has lost in a workspace."""
    path = home / "prunescope.db"
    if not path.exists():
        return None
    missing = before - kept(home, kind)
    if missing:
        return f"{len(missing)} finished points"
    connection = sqlite3.connect(path, timeout=30)
    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return None if whole == "ok" else f"the database: {whole}"


def left_over(home: Path) -> str | None:
    """Half files that are still there after the work went on."""
    half = halves(home.parent)
    return f"half of {half[0].name} is still there" if half else None
