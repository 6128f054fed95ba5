"""A new folder that is there whole or not at all: written aside, brought to the disk, given its name."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from safetensors import SafetensorError

from pruning.errors import PruningError

PARTIAL = ".part"
SPARE_BYTES = 64 * 2**20


@contextmanager
def new_folder(out: Path, needed: int) -> Iterator[Path]:
    """A temporary folder beside `out` to write `needed` bytes into; at the end of the block it is `out`.

    Where the block raises it is deleted, and nothing is left behind. Raises PruningError where `out` exists,
    the disk has too little room, or cannot be written to.
    """
    try:
        with _aside(out, needed) as folder:
            yield folder
            for path in (*folder.iterdir(), folder):
                _to_disk(path)
            os.replace(folder, out)
            _to_disk(out.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PruningError(
            f"The model could not be written to {out}: {reason}. Nothing was left behind."
        ) from None


@contextmanager
def _aside(out: Path, needed: int) -> Iterator[Path]:
    if out.exists():
        raise PruningError(f"{out} exists already. Choose another name or remove it first.")
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if free < needed + SPARE_BYTES:
        raise PruningError(
            f"The disk of {out.parent} has {free / 1e9:.2f} GB left and the model takes "
            f"{needed / 1e9:.2f} GB. Make room or choose another folder."
        )
    _sweep(out.parent)
    prefix = f".{out.name}.{os.getpid()}."
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=PARTIAL, dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what processes left there that were killed while they wrote."""
    for path in place.glob(f".*{PARTIAL}"):
        writer = path.name.removesuffix(PARTIAL).split(".")[-2:-1]
        if writer and writer[0].isdigit() and not psutil.pid_exists(int(writer[0])):
            shutil.rmtree(path, ignore_errors=True)


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
