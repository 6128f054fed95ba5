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
