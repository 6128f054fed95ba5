"""How many workers a cluster has room for, and what each of them gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pruning.errors import PruningError
from pruning.wording import counted

# Of a small model's layers more processors are not much faster.
PROCESSORS = 4


@dataclass(frozen=True)
class Room:
    """So many `workers`, each with whole `processors` and `gpus` (0 or 1), and the `device` of their models.

    `asked`: how many workers were asked for, where there is room for fewer.
    """

    workers: int
    processors: int
    gpus: int
    device: str
    asked: int | None = None


def room_for(machines: Sequence[Mapping[str, float]], device: str, asked: int | None) -> Room:
    """The workers on `machines`, whose resources are counted as CPU and GPU.

    By default one for each GPU, or for every `PROCESSORS` processors and one for each machine at least.
    `device`: as for a model; with `auto` GPUs are used where there are any. Raises PruningError where there
    is room for none.
    """
    sizes = [(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in machines]
    with_gpus = device.startswith("cuda") or (device == "auto" and any(gpus for _, gpus in sizes))
    if with_gpus and not any(gpus for _, gpus in sizes):
        raise PruningError(
            f"The cluster has no GPU: {counted(len(sizes), 'machine')} with "
            f"{counted(sum(cpus for cpus, _ in sizes), 'processor')}. Choose --device cpu."
        )
    most = _places(sizes, 1, with_gpus)
    if not most:
        raise PruningError("The cluster has no processor for a worker. Add a machine with `ray start`.")
    usual = most if with_gpus else sum(max(1, cpus // PROCESSORS) for cpus, _ in sizes if cpus)
    workers = min(usual if asked is None else asked, most)
    widest = max(cpus for cpus, _ in sizes)
    processors = next(each for each in range(widest, 0, -1) if _places(sizes, each, with_gpus) >= workers)
    fewer = asked if asked is not None and asked > workers else None
    return Room(workers, processors, int(with_gpus), "cuda" if with_gpus else "cpu", fewer)


def _places(sizes: Sequence[tuple[int, int]], processors: int, with_gpus: bool) -> int:
    """How many workers of so many processors, with a GPU each, fit."""
    return sum(min(cpus // processors, gpus) if with_gpus else cpus // processors for cpus, gpus in sizes)
