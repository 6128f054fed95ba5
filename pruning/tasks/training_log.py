"""How a recovery is going, in the workspace while it goes: for pages, and for whoever asks after a kill."""

import time
from contextlib import suppress
from typing import Any

from pruning.errors import PruningError
from pruning.workspace.store import Store

KIND = "recovery_course"
TELL_SECONDS = 2.0


class ReportedLog:
    """The stored course of one recovery, rewritten every few seconds, under the key of its result.

    `saved_step` in it is the step that the recovery goes on from after a kill: 0 before anything was saved.
    It is taken away when the recovery has ended and its result stands in its place.
    """

    def __init__(self, store: Store, key: dict[str, Any], saved_step: int) -> None:
        self._store, self._key = store, key
        self.saved_step = saved_step
        self._latest = 0.0

    def due(self) -> bool:
        """Whether it is time to tell again."""
        return time.monotonic() - self._latest >= TELL_SECONDS

    def tell(self, about: dict[str, Any]) -> None:
        """Write how it is going. Where that fails training goes on: it is worth more than its news."""
        with suppress(PruningError):
            self._store.put(KIND, self._key, {**about, "saved_step": self.saved_step, "told": time.time()})
        self._latest = time.monotonic()

    def end(self) -> None:
        """Take the course away; the result is stored."""
        with suppress(PruningError):
            self._store.remove(KIND, self._key)
