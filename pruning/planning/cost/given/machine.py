"""The machine that a job is to run on: its memory, its disk, and how fast it was found to be. No torch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Machine:
    """Bytes there are and bytes that are free.

    `memory`, `available`: main memory. `disk`: free where files are written. `device`: what is computed on;
    `device_memory`, `device_available`: a GPU's own, None where the device computes in main memory.
    """

    memory: int
    available: int
    disk: int
    device: str = "cpu"
    device_memory: int | None = None
    device_available: int | None = None


def this_machine(folder: Path, own: bool = False) -> Machine:
    """This machine, with the disk that `folder` is on or will be; of a GPU nothing is known here.

    `own`: what this process has already counts as available.
    """
    memory = psutil.virtual_memory()
    mine = psutil.Process().memory_info().rss if own else 0
    return Machine(memory.total, min(memory.total, memory.available + mine), free_disk(folder))


def free_disk(folder: Path) -> int:
    """Bytes free on the disk that a folder is on, or will be."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


@dataclass(frozen=True)
class Speeds:
    """What a probe found.

    Attributes
    ----------
    operations
        A second, in products of the model's matrices with a batch of tokens in the number format asked for.
    elements
        Numbers a second that are read, changed and written again one by one.
    read, write
        Bytes a second from the checkpoint's own files, and to the disk of the workspace.
    cached
        Whether the files were in memory already, so that a first reading takes longer.
    threads
        How many processors worked.
    """

    operations: float
    elements: float
    read: float
    write: float
    cached: bool = False
    threads: int = 1


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
