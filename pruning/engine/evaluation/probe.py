"""How fast this machine is at what jobs are made of, found in five seconds, before a model is loaded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pruning.engine.evaluation.timing import now
from pruning.model_files.disk_speed import disk_speed
from pruning.planning.cost.given.machine import Machine, Speeds, this_machine
from pruning.planning.cost.given.quick_probe import speeds_of
from pruning.planning.cost.given.shape import ModelShape

# Seconds for products, for walks, and for reading and writing each.
PRODUCTS, WALKS, DISK = 2.0, 0.5, 1.0
# Tokens of a batch, the most rows of a matrix that are multiplied with, and numbers that are walked over.
TOKENS, ROWS, ELEMENTS = 256, 4096, 2**22


def probe(shape: ModelShape, dtype: str, device: str, files: Sequence[Path], folder: Path) -> Speeds:
    """Multiply with the model's own widths, walk over numbers, read from its files and write a file.

    Parameters
    ----------
    shape
        The model's widths.
    dtype
        float32, bfloat16 or float16.
    device
        cpu, cuda or mps.
    files
        The checkpoint's.
    folder
        Where files are written; nothing is left there.
    """
    place = torch.device(device)
    sizes = {(min(ROWS, m.rows), m.columns) for m in shape.matrices}
    batches = [(torch.randn(TOKENS, columns), torch.randn(columns, rows)) for rows, columns in sorted(sizes)]
    pairs = [tuple(each.to(place, getattr(torch, dtype)) for each in pair) for pair in batches]
    operations = sum(2 * TOKENS * columns * rows for rows, columns in sizes)
    numbers = torch.rand(ELEMENTS, device=place)
    with torch.no_grad():
        multiplied = _rate(lambda: [batch @ weight for batch, weight in pairs], operations, PRODUCTS, place)
        walked = _rate(lambda: numbers * (numbers <= 0.5), ELEMENTS, WALKS, place)
    return speeds_of(multiplied, walked, disk_speed(files, folder, DISK))


def machine_of(device: str, folder: Path) -> Machine:
    """This machine with the device that is computed on; of a GPU its own memory too.

    What this process has of memory counts as available to it.
    """
    machine = replace(this_machine(folder, own=True), device=device)
    if not device.startswith("cuda"):
        return machine
    free, total = torch.cuda.mem_get_info(torch.device(device))
    return replace(machine, device_memory=total, device_available=free)


def _rate(run: Callable[[], object], amount: float, seconds: float, place: torch.device) -> float:
    """So much of `amount` a second, run again and again for about so long after once to warm up."""
    run()
    count, begun = 0, now(place)
    while count == 0 or time.perf_counter() - begun < seconds:
        run()
        count += 1
    return count * amount / max(now(place) - begun, 1e-6)
