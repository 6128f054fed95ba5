"""How long the rest will take, from how long the part that is done took."""

SETTLE_SECONDS = 1.0
TRUST = 0.3


class TimeLeft:
    """Follows one job. A new total, or less done than before, is a new phase and starts afresh.

    What is told before anything is done, such as the text that is written before a training, does not count.
    """

    def __init__(self) -> None:
        self._total: float | None = None
        self._first = self._last = (0.0, 0.0)
        self._left: float | None = None

    def update(self, done: float, total: float, now: float) -> float | None:
        """Seconds left, or None while too little is known. `now` in seconds of any steady clock."""
        if total != self._total or done < self._last[1]:
            self._total, self._first, self._left = total, (now, done), None
        if done == self._first[1]:
            self._first = (now, done)
        elapsed, gained = now - self._first[0], done - self._first[1]
        if gained > 0 and elapsed >= SETTLE_SECONDS:
            # What the steps took on average, not what the last one took: the resumed part of a sweep,
            # which cost nothing, is in `first` and does not count.
            estimate = max(total - done, 0.0) * elapsed / gained
            if self._left is None:
                self._left = estimate
            else:
                expected = max(self._left - (now - self._last[0]), 0.0)
                self._left = expected + TRUST * (estimate - expected)
        self._last = (now, done)
        return self._left
