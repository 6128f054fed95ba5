"""How long work tells its caller how far it is, and is told to stop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol


class Progress(Protocol):
    """Called between steps of a task with what is done, out of what, and a note in plain words.

    `partial` carries a result that is ready before the rest. The callee may raise `Cancelled`, which
    every task lets through after it has restored what it altered.
    """

    def __call__(
        self, done: float, total: float, note: str = "", partial: dict[str, Any] | None = None
    ) -> None: ...


def silent(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Place:
    """Where in a job a report comes from: its stage, and which of how many equal rounds that is in.

    Outside of any round `rounds` is 0; outside of any named stage `stage` is empty.
    """

    stage: str = ""
    round: int = 0
    rounds: int = 0


@dataclass(frozen=True)
class StageProgress:
    """Progress that knows its place in the job; `stage` and `within` go further in.

    Parameters
    ----------
    listen
        Takes the place, the share of its stage that is done (0..1; None where a report says nothing about
        that), the note and the partial result.
    place
        Where the reports come from.
    span
        Which part of the stage's work is meant by a report's "all"; None where it is not a known part.
    prefix
        What notes begin with.
    """

    listen: Callable[[Place, float | None, str, dict[str, Any] | None], None]
    place: Place = Place()
    span: tuple[float, float] | None = (0.0, 1.0)
    prefix: str = ""

    def __call__(
        self, done: float, total: float, note: str = "", partial: dict[str, Any] | None = None
    ) -> None:
        share = None
        if self.span is not None and total:
            low, high = self.span
            share = low + (high - low) * min(max(done / total, 0.0), 1.0)
        text = f"{self.prefix}: {note}" if self.prefix and note else self.prefix or note
        self.listen(self.place, share, text, partial)


def stage(progress: Progress, name: str, note: str = "", begun: float = 0.0) -> Progress:
    """Begin the named stage of a job, and what reports of its work go to.

    Stages and how long they take are in `pruning.jobs.stages`. One that begins inside of another is a part
    of that which nobody counted on: notes of its work are passed on. Who knows no stages hears the work only.
    `begun`: the share of it (0..1) that an earlier run has done.
    """
    if not isinstance(progress, StageProgress):
        progress(begun, 1, note)
        return progress
    if progress.place.stage:
        return replace(progress, span=None)
    inner = replace(progress, place=replace(progress.place, stage=name))
    inner(begun, 1, note)
    return inner


def within(progress: Progress, before: int, steps: int, prefix: str = "") -> Progress:
    """Reports a task as one step of another: the one after `before` of `steps`, its notes after a prefix."""
    if isinstance(progress, StageProgress):
        if progress.place.stage:
            return replace(progress, span=_part(progress.span, before, steps), prefix=prefix)
        return replace(progress, place=Place("", before, steps), prefix=prefix)

    def report(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        share = min(1.0, done / total) if total else 0.0
        progress(before + share, steps, f"{prefix}: {note}" if prefix else note, partial)

    return report


def _part(span: tuple[float, float] | None, before: int, steps: int) -> tuple[float, float] | None:
    if span is None:
        return None
    low, high = span
    return low + (high - low) * before / steps, low + (high - low) * (before + 1) / steps
