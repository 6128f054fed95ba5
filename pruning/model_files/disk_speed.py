"""How fast a model's own files are read here, and how fast files are written: a probe of about a second."""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PIECE = 4 * 2**20
READ_BYTES, WRITTEN_BYTES = 256 * 2**20, 64 * 2**20
# Where nothing could be tried.
UNKNOWN = 500e6


@dataclass(frozen=True)
class DiskSpeed:
    """Bytes a second; `cached`: the share of what was read that was in memory already, 0..1."""

    read: float
    write: float
    cached: float = 0.0


def disk_speed(files: Sequence[Path], folder: Path, seconds: float = 1.0) -> DiskSpeed:
    """Read pieces from all over the files, and write a file into `folder`, each for `seconds` at most.

    What cannot be read or written is passed over: then a usual speed is taken.
    """
    read, cached = _reading([file for file in files if file.is_file()], seconds)
    return DiskSpeed(read, _writing(folder, seconds), cached)


def _reading(files: Sequence[Path], seconds: float) -> tuple[float, float]:
    """Bytes a second, and the share that was cached."""
    total = sum(file.stat().st_size for file in files)
    pieces = max(1, min(total, READ_BYTES) // PIECE)
    begun, done, cached = time.perf_counter(), 0, 0
    for file in files:
        size = file.stat().st_size
        count = max(1, round(pieces * size / max(1, total)))
        with suppress(OSError), file.open("rb", buffering=0) as opened:
            for number in range(count):
                if time.perf_counter() - begun > seconds:
                    break
                offset = number * max(PIECE, size // count)
                there = _in_memory(opened.fileno(), offset)
                opened.seek(offset)
                arrived = len(opened.read(PIECE))
                done, cached = done + arrived, cached + (arrived if there else 0)
    taken = time.perf_counter() - begun
    return (done / max(taken, 1e-6), cached / done) if done else (UNKNOWN, 0.0)


def _in_memory(file: int, offset: int) -> bool:
    """Whether a piece of a file comes without the disk, where the system can be asked."""
    if not hasattr(os, "preadv") or not hasattr(os, "RWF_NOWAIT"):
        return False
    with suppress(OSError):
        return os.preadv(file, [bytearray(4096)], offset, os.RWF_NOWAIT) > 0
    return False


def _writing(folder: Path, seconds: float) -> float:
    """Bytes a second until they are on the disk; nothing is left."""
    piece, done = os.urandom(PIECE), 0
    begun = time.perf_counter()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            while done < WRITTEN_BYTES and time.perf_counter() - begun < seconds:
                done += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    return done / max(time.perf_counter() - begun, 1e-6) if done else UNKNOWN
