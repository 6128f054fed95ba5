"""How fast this machine multiplies, found in a second without torch: for pages."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pruning.model_files.disk_speed import DiskSpeed, disk_speed
from pruning.planning.cost.given.machine import Speeds, processors
from pruning.planning.cost.given.shape import ModelShape

# Rows of a batch, the most rows of a matrix that are multiplied with, and numbers that are walked over.
TOKENS, ROWS, ELEMENTS = 256, 4096, 2**22


def quick_speeds(shape: ModelShape, files: Sequence[Path], folder: Path, seconds: float = 0.5) -> Speeds:
    """Speeds in float32 on the processor, with the model's own widths; `seconds` at most for each of four."""
    return speeds_of(_products(shape, seconds), _walks(seconds), disk_speed(files, folder, seconds))


def speeds_of(operations: float, elements: float, disk: DiskSpeed) -> Speeds:
    """What was found, together."""
    return Speeds(operations, elements, disk.read, disk.write, disk.cached > 0.5, processors())


def _products(shape: ModelShape, seconds: float) -> float:
    columns, rows = shape.hidden, min(ROWS, max(matrix.rows for matrix in shape.matrices))
    weight = np.ones((columns, rows), dtype=np.float32)
    batch = np.ones((TOKENS, columns), dtype=np.float32)
    batch @ weight  # the first takes longer
    done, begun = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begun < seconds:
        batch @ weight
        done += 2 * TOKENS * columns * rows
    return done / max(time.perf_counter() - begun, 1e-6)


def _walks(seconds: float) -> float:
    numbers = np.ones(ELEMENTS, dtype=np.float32)
    done, begun = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begun < seconds:
        numbers * (numbers <= 0.5)
        done += ELEMENTS
    return done / max(time.perf_counter() - begun, 1e-6)
