"""One job's bar and the time it has left: a share of the whole expected time that never goes backwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pruning.jobs.stages import NO_MEASURE, UNKNOWN, Course, Stage
from pruning.progress import Place

# The bar stays below this until the job has said that it is done.
MOST = 0.99
# What came out of expectations so far counts against this share of the whole, when the rest is corrected.
DOUBT = 0.2
# Somebody who takes longer than expected is taken to need this share of the delay again.
OVERDUE = 0.1
# A rate seen for less time than this is none.
SETTLE_SECONDS = 1.0

Seconds = Callable[[Stage], float | None]


@dataclass(frozen=True)
class _Leaf:
    """One stage in its place: of which round (-1: of none), and the seconds expected of it."""

    stage: Stage
    round: int
    seconds: float | None


class JobClock:
    """Follows one job through its stages.

    Parameters
    ----------
    course
        The stages that are expected.
    seconds
        What is expected of a stage; None where that is not known.
    now
        When the job begins, in seconds of any steady clock.
    """

    def __init__(self, course: Course, seconds: Seconds, now: float) -> None:
        self._course, self._seconds = course, seconds
        self._leaves = self._flat(course) or [_Leaf(Stage(""), -1, None)]
        self._at = 0
        # Of the stage under way: when it began, the first and the last share of it, and when that came.
        self._entered = self._heard = self._last = now
        self._first = self._share = 0.0
        self._taken: dict[str, tuple[float, float]] = {}
        self._expected = self._actual = 0.0
        self._measured = (0.0, 0.0)
        self._bar = self._work = 0.0

    # ---- what is heard ---------------------------------------------------------------------------------

    def report(self, place: Place, share: float | None, now: float) -> None:
        """Hear that the job is at `place`, with `share` (0..1) of that stage done (None: not known)."""
        if place.rounds and self._course.rounds and place.rounds != len(self._course.rounds):
            self._resize(place.rounds)
        number = self._find(place)
        if number is None:
            return
        if number != self._at:
            self._enter(number, now)
            self._first = self._share = share or 0.0
            self._heard = now
        elif share is not None:
            if not place.stage and place.rounds:
                share = (place.round + share) / place.rounds
            if share > self._share:
                self._share, self._heard = share, now
        self._advance(now)

    def look(self, now: float) -> tuple[float, float | None]:
        """The bar (0..1, below 1) and the seconds left, None while too little is known."""
        self._advance(now)
        return self._bar, self._left(now)

    def taken(self, now: float, finished: bool) -> dict[str, tuple[float, float]]:
        """By stage its seconds and units, of the stages that were done; of all once the job is `finished`."""
        if finished:
            self._close(now)
        return self._taken

    # ---- where it is -----------------------------------------------------------------------------------

    def _find(self, place: Place) -> int | None:
        """The number of the stage in its place; one that nobody expected is put in. None: stay here."""
        stage, wanted = self._leaves[self._at].stage, place.round if place.rounds else -1
        if stage.name == place.stage and (self._leaves[self._at].round == wanted or not place.stage):
            return self._at
        for number in range(self._at + 1, len(self._leaves)):
            leaf = self._leaves[number]
            if leaf.stage.name == place.stage and leaf.round in (wanted, -1):
                return number
        if not stage.name or not place.stage:
            return None
        surprise = Stage(place.stage)
        self._leaves.insert(self._at + 1, _Leaf(surprise, wanted, self._seconds(surprise)))
        return self._at + 1

    def _enter(self, number: int, now: float) -> None:
        """Go on to another stage: this one is done, those between are not needed."""
        self._close(now)
        self._at, self._entered = number, now

    def _close(self, now: float) -> None:
        leaf, elapsed, part = self._leaves[self._at], now - self._entered, 1 - self._first
        # A stage that was taken up near its end tells little, and one of a download nothing about the next.
        if part < 0.05 or not leaf.stage.name or leaf.stage.name in UNKNOWN:
            return
        seconds, units = self._taken.get(leaf.stage.name, (0.0, 0.0))
        self._taken[leaf.stage.name] = seconds + elapsed, units + part * leaf.stage.units
        if leaf.stage.name not in NO_MEASURE:
            if leaf.seconds is not None:
                self._expected += part * leaf.seconds
                self._actual += elapsed
            self._measured = self._measured[0] + elapsed, self._measured[1] + part * leaf.stage.passes

    def _resize(self, rounds: int) -> None:
        """Another number of rounds than expected: those that come are counted anew."""
        self._course = self._course.with_rounds(rounds)
        current = self._leaves[self._at].round
        coming = [leaf for leaf in self._flat(self._course) if leaf.round >= max(current, 0)]
        after = [_Leaf(stage, -1, self._seconds(stage)) for stage in self._course.after]
        self._leaves = [*self._leaves[: self._at + 1], *coming, *after]

    def _flat(self, course: Course) -> list[_Leaf]:
        rounds = [(number, stage) for number, stages in enumerate(course.rounds) for stage in stages]
        placed = [(-1, stage) for stage in course.before], rounds, [(-1, stage) for stage in course.after]
        return [_Leaf(stage, number, self._seconds(stage)) for part in placed for number, stage in part]

    # ---- how long it takes -----------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Move the bar by the part of what was left that was done since it was last looked at."""
        left = self._left(now)
        work = sum(leaf.stage.passes for leaf in self._leaves[: self._at])
        work += self._share * self._leaves[self._at].stage.passes
        if left is None:
            done = max(work - self._work, 0.0)
            left = sum(leaf.stage.passes for leaf in self._leaves) - work
        else:
            done = now - self._last
        if done > 0:
            self._bar += (1 - self._bar) * done / (done + left)
        self._bar, self._work, self._last = min(self._bar, MOST), work, now

    def _left(self, now: float) -> float | None:
        """Seconds left, None while nothing is known of how long stages to come take."""
        a_pass, pace = self._pass(now), self._pace()
        leaves = [self._with_prior(leaf, a_pass) for leaf in self._leaves[self._at :]]
        coming = [leaf.seconds for leaf in leaves[1:]]
        current = self._left_of_stage(leaves[0].seconds, pace, now)
        if current is None or any(seconds is None for seconds in coming):
            return None
        return current + pace * sum(seconds for seconds in coming if seconds is not None)

    def _left_of_stage(self, expected: float | None, pace: float, now: float) -> float | None:
        """Seconds left of the stage under way, by what was expected and the more by its own pace, the further
        it is."""
        gained, rest, silence = self._share - self._first, 1 - self._share, now - self._heard
        part = gained / (1 - self._first) if self._first < 1 else 1.0
        rate = (self._heard - self._entered) / gained if gained > 0 else None
        if self._heard - self._entered < SETTLE_SECONDS:
            rate = None
        if expected is None and rate is None:
            return None
        if rate is None:
            left = pace * (expected or 0.0) * rest
        elif expected is None:
            left = rate * rest
        else:
            trust = min(1.0, 2 * part)
            left = trust * rate * rest + (1 - trust) * pace * expected * rest
        return max(left - silence, OVERDUE * silence)

    def _pace(self) -> float:
        """How many times as long as expected stages took so far, held near 1 while few are done."""
        whole = sum(leaf.seconds or 0.0 for leaf in self._leaves)
        doubt = DOUBT * whole
        return (self._actual + doubt) / (self._expected + doubt) if self._expected + doubt > 0 else 1.0

    def _pass(self, now: float) -> float | None:
        """Seconds of a dense forward pass, by the stages of this very job; for what was never timed."""
        seconds, passes = self._measured
        leaf, gained = self._leaves[self._at], self._share - self._first
        if leaf.stage.name not in NO_MEASURE and gained > 0:
            seconds, passes = seconds + self._heard - self._entered, passes + gained * leaf.stage.passes
        return seconds / passes if seconds >= SETTLE_SECONDS and passes > 0 else None

    @staticmethod
    def _with_prior(leaf: _Leaf, a_pass: float | None) -> _Leaf:
        if leaf.seconds is not None or a_pass is None:
            return leaf
        return replace(leaf, seconds=leaf.stage.passes * a_pass)
