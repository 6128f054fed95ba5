"""Whether a job fits on a machine, which way is taken, and the sentence on what would fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pruning.errors import PruningError
from pruning.planning.cost.estimate.jobs import NAMES, WHOLE, Estimate, estimate
from pruning.planning.cost.estimate.memory import BASE
from pruning.planning.cost.given.machine import Machine, Speeds
from pruning.planning.cost.given.read import Source
from pruning.planning.cost.given.setting import Setting
from pruning.wording import seconds, size

# By what share estimates may be off; so much of the free memory is left.
MARGIN = 0.1


@dataclass(frozen=True)
class Fit:
    """A job both ways, on one machine.

    Attributes
    ----------
    whole, streamed
        What it takes in memory, and streamed; None where it cannot be streamed.
    machine
        What there is.
    """

    whole: Estimate
    streamed: Estimate | None
    machine: Machine

    @property
    def should_stream(self) -> bool:
        """Whether streaming is the way to take: it fits, and what is in memory whole does not."""
        return self.streamed is not None and not self.fits(self.whole) and self.has_memory(self.streamed)

    def has_memory(self, taken: Estimate) -> bool:
        """Whether memory is enough, the device's and the machine's."""
        return not any(short > 0 for short in self._short(taken))

    def fits(self, taken: Estimate) -> bool:
        """Whether memory and disk are enough."""
        return self.has_memory(taken) and taken.disk.total <= self.machine.disk

    def _short(self, taken: Estimate) -> tuple[float, float]:
        """Bytes that are missing of main memory, and of the device's own."""
        machine, room = self.machine, 1 - MARGIN
        if machine.device_available is None:
            return taken.needed - room * machine.available, 0.0
        # What is computed with lies on the device; the weights pass through main memory on their way.
        on_device = taken.memory - BASE
        main = BASE + min(on_device, taken.steps.get("load", BASE) - BASE) + taken.beside
        return main - room * machine.available, on_device - room * machine.device_available

    def refusal(self, stream: bool, speeds: Speeds | None = None) -> str | None:
        """Why the job is not started in this way, and what would do; None where it fits."""
        taken = self.streamed if stream and self.streamed is not None else self.whole
        if self.fits(taken):
            return None
        other = self.whole if taken is self.streamed else self.streamed
        return f"{self._lacks(taken)} {self._instead(taken, other, speeds)}"

    def _lacks(self, taken: Estimate) -> str:
        machine = self.machine
        if self.has_memory(taken):
            return f"This writes about {size(taken.disk.total)}, and the disk has {size(machine.disk)} free."
        _, device = self._short(taken)
        if device > 0 and machine.device_available is not None:
            return (
                f"This needs about {size(taken.memory - BASE)} on the device {machine.device}, which has "
                f"{size(machine.device_available)} free."
            )
        return f"This needs about {size(taken.needed)}, and this machine has {size(machine.available)} free."

    def _instead(self, taken: Estimate, other: Estimate | None, speeds: Speeds | None) -> str:
        if self.has_memory(taken):
            return "Make room on that disk, or set PRUNESCOPE_HOME to a folder on another."
        if other is not None and self.fits(other):
            way = "yes" if other.streamed else "no"
            time = "" if speeds is None else f" and {seconds(other.seconds(speeds))}"
            return f"--stream {way} would take {size(other.needed)}{time}."
        if other is not None and other.needed < taken.needed:
            return f"--stream yes would still take {size(other.needed)}. {_CLOSING}"
        return _CLOSING


_CLOSING = (
    "Close other programs, take less text (--tokens), bfloat16 (--dtype) or a smaller model, or a machine "
    "with more memory."
)


def fit(job: str, setting: Setting, machine: Machine, streams: bool = True) -> Fit:
    """A job both ways on a machine; `streams`: whether the model's files can be read layer by layer."""
    whole = estimate(job, replace(setting, streamed=False))
    able = streams and job not in WHOLE
    return Fit(whole, estimate(job, replace(setting, streamed=True)) if able else None, machine)


def choose(source: Source, jobs: Iterable[str], setting: Setting, machine: Machine, stream: str) -> bool:
    """Whether layers are streamed for these jobs, before anything is loaded.

    Parameters
    ----------
    source
        The model.
    jobs
        What is to be done with it, by names of `jobs.JOBS`; others are not judged.
    setting
        How, but for streaming.
    machine
        Where.
    stream
        "yes", "no", or "auto": only where it does not fit otherwise.

    Raises
    ------
    PruningError
        A job does not fit in the way that was asked for, or in none; it says what would.
    """
    fits = [fit(job, setting, machine, source.streams) for job in jobs]
    streamed = stream == "yes" or (stream == "auto" and any(each.should_stream for each in fits))
    for each in fits:
        why = each.refusal(streamed)
        if why is not None:
            raise PruningError(why)
    return streamed


def summary(fits: Sequence[Fit]) -> str:
    """What fits, in a sentence for people."""
    ways: dict[str, list[str]] = {}
    for each in fits:
        streamed = each.streamed is not None and each.fits(each.streamed)
        way = "fits in memory" if each.fits(each.whole) else "fits streamed" if streamed else "does not fit"
        ways.setdefault(way, []).append(NAMES[each.whole.job])
    if list(ways) == ["fits in memory"]:
        return "All of them fit in memory."
    return " ".join(f"{way[:1].upper()}{way[1:]}: {', '.join(jobs)}." for way, jobs in ways.items())
