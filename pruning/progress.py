"""How long work tells its caller how far it is, and is told to stop."""

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


def within(progress: Progress, before: int, steps: int, prefix: str = "") -> Progress:
    """Reports a task as one step of another: the one after `before` of `steps`, its notes after a prefix."""

    def report(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        share = min(1.0, done / total) if total else 0.0
        progress(before + share, steps, f"{prefix}: {note}" if prefix else note, partial)

    return report
