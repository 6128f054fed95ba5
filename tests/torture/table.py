"""What a torture run found: a row a case, printed as one table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WIDTHS = (46, 6, 5, 8, 7)
MOST_SHOWN = 12


@dataclass(frozen=True)
class Run:
    """How a run is to be made.

    Attributes
    ----------
    seed
        What everything random is drawn from.
    short
        The form for the normal test suite: a sample of each case, and nothing that takes long.
    scratch
        A folder of the run's own, removed afterwards.
    """

    seed: int
    short: bool
    scratch: Path

    def folder(self, name: str) -> Path:
        """A new folder below the scratch folder."""
        path = self.scratch / name
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True)
class Row:
    """One case of the table.

    Attributes
    ----------
    what
        What was done, in words.
    count
        How often.
    losses
        A sentence for each time it was not borne.
    seconds, megabytes
        The worst of all; None where it was not looked at.
    skipped
        Why it was not done; None where it was.
    note
        What else is worth a word.
    """

    what: str
    count: int
    losses: Sequence[str] = field(default=())
    seconds: float | None = None
    megabytes: float | None = None
    skipped: str | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        return not self.losses

    def cells(self) -> tuple[str, ...]:
        """What the table shows of it."""
        seconds = "" if self.seconds is None else f"{self.seconds:.2f}"
        megabytes = "" if self.megabytes is None else f"{self.megabytes:.0f}"
        verdict = "LOST" if self.losses else f"skipped: {self.skipped}" if self.skipped else "holds"
        return self.what, str(self.count), str(len(self.losses)), seconds, megabytes, verdict


def line(cells: Iterable[str]) -> str:
    """One line of the table: the first cell to the left, figures to the right, then the verdict."""
    what, *figures, verdict = cells
    aligned = [f"{figure:>{width}}" for figure, width in zip(figures, WIDTHS[1:], strict=True)]
    return "  ".join([f"{what:<{WIDTHS[0]}}", *aligned, verdict])


def heading() -> str:
    """The table's first line."""
    return line(("what", "many", "lost", "worst s", "MB", "verdict"))


def lines(row: Row) -> list[str]:
    """A row as lines: its figures, what else is to be said, and its losses."""
    shown = [line(row.cells())]
    shown += [f"    {row.note}"] if row.note else []
    shown += [f"  ! {loss}" for loss in row.losses[:MOST_SHOWN]]
    left = len(row.losses) - MOST_SHOWN
    return [*shown, *([f"  ! and {left} more"] if left > 0 else [])]
