"""Where processor time goes: seconds by part of a computation, added up only while somebody asks."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    stack: list[str] = field(default_factory=list)
    since: float = 0.0

    def turn(self) -> None:
        """Add what went by since the last turn to the part that is open."""
        now = time.process_time()
        if self.stack:
            self.seconds[self.stack[-1]] += now - self.since
        self.since = now


_clock: ContextVar[_Clock | None] = ContextVar("clock", default=None)


@contextmanager
def timing_parts() -> Iterator[dict[str, float]]:
    """While open, `part` adds up: gives the seconds of all of this process's threads, by part."""
    clock = _Clock()
    token = _clock.set(clock)
    try:
        yield clock.seconds
    finally:
        _clock.reset(token)


@contextmanager
def part(name: str) -> Iterator[None]:
    """What is done while open counts as this part; a part inside another is not counted in both."""
    clock = _clock.get()
    if clock is None:
        yield
        return
    clock.turn()
    clock.stack.append(name)
    try:
        yield
    finally:
        clock.turn()
        clock.stack.pop()
