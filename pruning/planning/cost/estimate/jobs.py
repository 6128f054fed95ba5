"""What each job takes: its memory peak, disk and time, in memory and streamed, from what it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pruning.planning.cost.estimate import duration, memory
from pruning.planning.cost.estimate.disk import (
    Disk,
    change_disk,
    export_disk,
    map_disk,
    measure_disk,
    recover_disk,
)
from pruning.planning.cost.estimate.duration import Work
from pruning.planning.cost.estimate.statistics import kept_bytes
from pruning.planning.cost.given.machine import Speeds
from pruning.planning.cost.given.setting import FLOAT, Setting

# In the order in which people come to them.
# "load" is looking at a model, and no more; nobody asks for its estimate by itself.
JOBS = ("map", "best", "corrected", "measure", "recover", "export")
# What the jobs are called for people.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "map": "Sensitivity map",
        "best": "Best recipe",
        "corrected": "A plan with corrected weights",
        "measure": "Measuring a plan",
        "recover": "Recovery, 200 steps",
        "export": "Export",
    }
)
STEPS = 200
# Jobs that keep the whole model in memory in any case.
WHOLE = frozenset({"recover"})

Steps = Mapping[str, int]


@dataclass(frozen=True)
class Estimate:
    """What a job takes, from nothing, with a workspace that holds nothing of the model yet.

    Attributes
    ----------
    job, streamed
        Which job, and whether its layers stay in their files.
    memory
        The peak of the process, in bytes.
    beside
        Bytes of a second process that runs at the same time.
    disk
        Bytes written.
    work
        What there is to compute, read and write.
    steps
        The peak of each of its steps.
    """

    job: str
    streamed: bool
    memory: int
    beside: int
    disk: Disk
    work: Work
    steps: Steps = field(default_factory=dict)

    @property
    def needed(self) -> int:
        """Bytes of all its processes together."""
        return self.memory + self.beside

    def seconds(self, speeds: Speeds) -> float:
        """How long it takes at these speeds."""
        return self.work.at(speeds)


def estimate(job: str, setting: Setting, steps: int = STEPS) -> Estimate:
    """What a job takes with a model in one of the two ways; `steps`: of recovery.

    Raises KeyError for a job there is none of.
    """
    beyond, disk, work = _JOBS[job](setting, steps)
    start = memory.BASE + setting.model_bytes
    peaks = {"load": start, **{name: start + more for name, more in beyond.items()}}
    beside = _second_process(setting) if job == "export" else 0
    loaded = duration.loading(setting) + work
    return Estimate(job, setting.streamed, max(peaks.values()), beside, disk, loaded, peaks)


def _second_process(setting: Setting) -> int:
    """The process that an export is verified in: libraries, and the model in float32, or its tables."""
    shape = setting.shape
    if setting.streamed:
        return memory.BASE + FLOAT * (shape.tables + shape.layer)
    return memory.BASE + FLOAT * shape.total


Made = tuple[dict[str, int], Disk, Work]


def _load(setting: Setting, _: int) -> Made:
    return {}, Disk(0), Work()


def _map(setting: Setting, _: int) -> Made:
    peaks = {
        "dense": memory.comparing(setting),
        "statistics": memory.collecting(setting),
        "price": memory.pricing(setting),
    }
    work = duration.dense(setting) + duration.collecting(setting) + duration.pricing(setting)
    return peaks, map_disk(setting), work + duration.timing(setting)


def _measured(setting: Setting, updates: bool, copied: bool = True) -> Made:
    """Measuring a model with a change on it, beside the dense one; `copied`: see `memory.changed`."""
    held = memory.changed(setting, updates, copied)
    # Criteria that look at the text have the statistics beside them.
    held += 0 if updates or setting.streamed else kept_bytes(setting)
    peaks = {"dense": memory.comparing(setting), "evaluate": held + memory.comparing(setting)}
    work = duration.dense(setting) + duration.dense(setting)
    if not setting.streamed:  # a streamed model is asked nothing
        work += duration.answering(setting) + duration.answering(setting)
    return peaks, change_disk(setting, updates) + measure_disk(setting), work


def _measure(setting: Setting, _: int, copied: bool = True) -> Made:
    peaks, disk, work = _measured(setting, updates=False, copied=copied)
    peaks["statistics"] = memory.collecting(setting)
    work += duration.collecting(setting) + duration.choosing(setting)
    return peaks, disk + Disk(kept_bytes(setting)), work


def _corrected(setting: Setting, _: int) -> Made:
    peaks, disk, work = _measured(setting, updates=True)
    peaks["corrected"] = memory.updating(setting)
    return peaks, disk, work + duration.updating(setting)


def _best(setting: Setting, steps: int) -> Made:
    """The map, and the plan that is solved for on it."""
    return _map(setting, steps)


def _export(setting: Setting, steps: int) -> Made:
    # What was there before is read again from the model's files.
    peaks, disk, work = _measure(setting, steps, copied=False)
    return peaks, disk + export_disk(setting), work + duration.writing(setting)


def _recover(setting: Setting, steps: int) -> Made:
    change = memory.changed(setting, updates=False)
    peaks = {
        "dense": memory.comparing(setting),
        "statistics": memory.collecting(setting),
        "fit": change + memory.refitting(setting),
        "train": change + memory.training(setting),
    }
    work = duration.dense(setting) + duration.collecting(setting) + duration.choosing(setting)
    work += duration.training(setting, steps)
    return peaks, recover_disk(setting) + Disk(kept_bytes(setting)), work


_JOBS: Mapping[str, Callable[[Setting, int], Made]] = MappingProxyType(
    {
        "load": _load,
        "map": _map,
        "best": _best,
        "corrected": _corrected,
        "measure": _measure,
        "recover": _recover,
        "export": _export,
    }
)
