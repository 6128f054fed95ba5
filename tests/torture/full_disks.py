"""A full disk in every kind of work: a sentence, nothing half, and all goes on once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.torture.basis import ready
from tests.torture.commands import complaint, halves, here
from tests.torture.forked import forked
from tests.torture.inputs.mutate import Basis
from tests.torture.table import Row, Run
from tests.torture.work import EVERY, Work, finished, same, timed, words

DISK_BYTES = 160 * 2**20
# Left on the disk. An export asks for 64 MB more than it writes before it begins.
LEFT = (0, 4096, 20_000, 60_000, 150_000, 400_000, 1_000_000, 66 * 2**20, 68 * 2**20)
SHORT = (60_000,)
FILLER = "filler"


def rows(run: Run) -> Iterator[Row]:
    """A row a kind of work, on a small disk of its own."""
    with small_disk(run.folder("disk")) as disk:
        if disk is None:
            yield Row("disk full", 0, skipped="only root may mount a small disk here")
            return
        with ready(run) as basis:
            for work in EVERY[:1] if run.short else EVERY:
                yield _while_full(work, basis, disk, run)


def _while_full(work: Work, basis: Basis, disk: Path, run: Run) -> Row:
    """The work, begun with less and less room."""
    expected, _ = timed(work, basis, run.folder(f"undisturbed-{work.name}"))
    losses, seconds, most, every = [], 0.0, 0.0, SHORT if run.short else LEFT
    for left in every:
        lost, used, megabytes = _filled(work, basis, disk, left, expected)
        losses += [f"{left:,} bytes left: {lost}"] if lost else []
        seconds, most = max(seconds, used), max(most, megabytes)
    return Row(f"disk full during {work.name}", len(every), losses, seconds, most)


@contextmanager
def small_disk(place: Path) -> Iterator[Path | None]:
    """A disk of DISK_BYTES at the folder; None where none may be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "torture", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def _filled(
    work: Work, basis: Basis, disk: Path, left: int, expected: dict[str, object]
) -> tuple[str | None, float, float]:
    """What is lost when the work begins with so many bytes left; seconds and MB."""
    home, out = disk / f"{work.name}-{left}", disk / f"{work.name}-{left}-out"
    from pruning.workspace.store import Store

    Store(home)._anchor.close()
    fill(disk, left)

    def attempt() -> str:
        os.environ["PRUNESCOPE_HOME"] = str(home)
        code, said = here(words(work, basis, out))
        print(said, flush=True)
        wrong = complaint(code, said)
        assert not wrong, wrong
        return str(code)

    log = basis.text.parent / f"{work.name}-{left}.log"
    ended = forked(attempt, log)
    (disk / FILLER).unlink()
    lost = ended.lost
    if lost is None and ended.said != "0" and out.exists():
        lost = f"it was refused, and {out.name} is there"
    half = [path for path in halves(disk) if path.exists()]
    if lost is None and half:
        lost = f"half a file: {half[0].relative_to(disk)}"
    if lost is None:
        lost = _goes_on(work, basis, home, out if ended.said != "0" else disk / f"{out.name}-again", expected)
    # The next case has the whole disk again.
    for left_over in disk.iterdir():
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    return lost, ended.seconds, ended.megabytes


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes on the disk."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / FILLER).open("wb") as file:
        size = max(0, free - left)
        for begun in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - begun)))


def _goes_on(work: Work, basis: Basis, home: Path, out: Path, expected: dict[str, object]) -> str | None:
    """What is wrong once there is room again."""
    result, ended = finished(work, basis, home, out)
    if ended.lost:
        return f"with room again: {ended.lost}"
    return None if same(work, result, expected) else "with room again it gives something else"
