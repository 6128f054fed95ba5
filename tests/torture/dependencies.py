"""What others wrote: known holes in it, as far as they can be looked up here."""

import datetime
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.torture.commands import ROOT
from tests.torture.table import Row, Run

CONSTRAINTS = ROOT / "constraints.txt"
SECONDS = 120


def rows(run: Run) -> Iterator[Row]:
    """One row: pip-audit on the constraints file, or how old that file is."""
    what, count = "dependencies without a known hole", len(_pinned())
    beside = Path(sys.executable).with_name("pip-audit")
    audit = str(beside) if beside.exists() else shutil.which("pip-audit")
    if run.short or audit is None:
        why = "in the short form" if run.short else "pip-audit is not installed"
        yield Row(what, count, skipped=f"{why}; {_age()}")
        return
    done = subprocess.run(
        [audit, "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--progress-spinner=off"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode not in (0, 1) or "ConnectionError" in done.stderr:
        yield Row(what, count, skipped=f"its database cannot be reached; {_age()}")
        return
    found = done.stdout.splitlines()[2:] if done.returncode else []
    yield Row(what, count, [line.strip() for line in found if line.strip()])


def _pinned() -> list[str]:
    return [line for line in CONSTRAINTS.read_text().splitlines() if line.strip() and line[0] not in "#-"]


def _age() -> str:
    """How old the pinned versions are: by git, or else by the file itself."""
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct", "--", CONSTRAINTS.name]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS).stdout.strip()
    except OSError:
        said = ""
    changed = datetime.datetime.fromtimestamp(float(said or CONSTRAINTS.stat().st_mtime))
    days = (datetime.datetime.now() - changed).days
    return f"the {len(_pinned())} versions in {CONSTRAINTS.name} are {days} days old"
