"""Search for the choice of least cost among those whose sum of reduced costs is below a limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning.planning.allocation.lagrangian import TIGHT

# Partial choices kept at a time: with one budget far more than it takes; with several, what time allows.
MOST_STATES = (20_000, 4_000)
CHAMPIONS = 48
LIMITS = 24
GROWTH = 2.0
TRIES = 4  # limits at which not all partial choices could be kept, before what there is has to do


def met(saved: np.ndarray, needed: np.ndarray, columns: np.ndarray) -> bool:
    return bool((saved[:, np.arange(len(columns)), columns].sum(axis=1) >= needed - TIGHT).all())


@dataclass(frozen=True)
class Search:
    """How hard to search: `rough`, where what meets the budgets will do, and how many partial choices."""

    rough: bool
    states: int | None

    @property
    def tries(self) -> int:
        """Limits tried at which not all partial choices could be kept."""
        return TRIES if self.states is None else 1

    def most(self, budgets: int) -> int:
        """Partial choices kept at a time."""
        usual = MOST_STATES[budgets > 1]
        return usual if self.states is None or budgets < 2 else min(usual, self.states)


@dataclass
class _States:
    """Partial choices: what each costs above the start, `over` (its reduced cost) and what it saves [k, n];
    `parent` and `column` say where each came from."""

    cost: np.ndarray
    over: np.ndarray
    saved: np.ndarray
    parent: np.ndarray
    column: np.ndarray

    def taken(self, rows: np.ndarray) -> "_States":
        """These states alone."""
        return _States(
            self.cost[rows], self.over[rows], self.saved[:, rows], self.parent[rows], self.column[rows]
        )


@dataclass(frozen=True, eq=False)
class _Relaxed:
    """The problem with its budgets priced: `over` [groups, levels] are reduced costs, `base` [groups] the
    columns where they are 0, `missing` [budgets] what these leave to be saved; `most` partial choices are
    kept."""

    costs: np.ndarray
    saved: np.ndarray
    over: np.ndarray
    base: np.ndarray
    missing: np.ndarray
    multipliers: np.ndarray
    most: int

    def core(self, limit: float) -> np.ndarray:
        """The groups with more than one level below the limit, those whose second level is dearest first."""
        below = self.over <= limit
        groups = np.flatnonzero(below.sum(axis=1) > 1)
        elsewhere = np.arange(self.over.shape[1]) != self.base[:, None]
        second = np.where(below & elsewhere, self.over, np.inf).min(axis=1)
        return groups[np.argsort(-second[groups], kind="stable")]


def searched(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, multipliers: np.ndarray, search: Search
) -> tuple[np.ndarray | None, bool]:
    """The best columns [groups] and whether that is proved; the limit grows until something is found."""
    worth = costs - np.tensordot(multipliers, saved, 1)
    base = worth.argmin(axis=1)
    over = worth - worth.min(axis=1, keepdims=True)
    rows = np.arange(len(costs))
    missing = needed - saved[:, rows, base].sum(axis=1)
    if (missing <= TIGHT).all() and float(multipliers @ -missing) <= TIGHT * 1e-3:
        return base, True
    positive = over[np.isfinite(over) & (over > 0)]
    best = _repaired(costs, saved, needed, over, base)
    if search.rough and best is not None:
        return best, False

    def above(columns: np.ndarray) -> float:
        """How far this choice lies above the bound."""
        spare = saved[:, rows, columns].sum(axis=1) - needed
        return float(over[rows, columns].sum() + multipliers @ spare) * (1 + TIGHT) + TIGHT * 1e-6

    largest = float(over[np.isfinite(over)].max()) * len(costs) + 1.0 if best is None else above(best)
    start = float(np.quantile(positive, 0.02)) / 8 if len(positive) else largest
    limit = min(max(start, largest / GROWTH**LIMITS), largest)
    most = search.most(len(needed))
    relaxed, tries = _Relaxed(costs, saved, over, base, missing, multipliers, most), search.tries
    while True:
        columns, complete = _within(relaxed, limit)
        tries -= not complete
        if columns is None and tries > 0 and limit < largest:
            limit = min(limit * GROWTH, largest)
            continue
        if columns is not None and (best is None or costs[rows, columns].sum() < costs[rows, best].sum()):
            best = columns
        if columns is None or complete or search.states is not None:
            return best, complete
        # Nothing better lies above what this one costs; with fewer in the way it may be proved.
        again, complete = _within(relaxed, above(columns))
        better = again is not None and costs[rows, again].sum() < costs[rows, columns].sum()
        return (again if better else best), complete


def _repaired(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, over: np.ndarray, base: np.ndarray
) -> np.ndarray | None:
    """Some columns that meet the budgets: from `base`, move after move, the cheapest for what it mends."""
    rows, columns = np.arange(len(costs)), base.copy()
    for _ in range(4 * len(costs)):
        here = saved[:, rows, columns]
        missing = needed - here.sum(axis=1)
        if (missing <= TIGHT).all():
            return columns
        gain = saved - here[:, :, None]
        left = np.maximum(missing[:, None, None] - gain, 0.0).sum(axis=0)
        mended = np.maximum(missing, 0.0).sum() - left
        price = np.maximum(over - over[rows, columns][:, None], 0.0) + 1e-12
        worth = np.where((mended > TIGHT * 1e-3) & np.isfinite(over), mended / price, 0.0)
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[row, column] <= 0:
            return None
        columns[row] = column
    return None


def _within(relaxed: _Relaxed, limit: float) -> tuple[np.ndarray | None, bool]:
    """The cheapest columns among those at most `limit` above the bound, and whether none was left out."""
    costs, saved, base, missing = relaxed.costs, relaxed.saved, relaxed.base, relaxed.missing
    rows, below = np.arange(len(costs)), relaxed.over <= limit
    more_cost, more_saved = costs - costs[rows, base][:, None], saved - saved[:, rows, base][:, :, None]
    core = relaxed.core(limit)
    could = np.where(below, more_saved, -np.inf).max(axis=2)[:, core]
    must = np.where(below, more_saved, np.inf).min(axis=2)[:, core]
    highest = could.sum(axis=1, keepdims=True) - np.cumsum(could, axis=1)
    lowest = must.sum(axis=1, keepdims=True) - np.cumsum(must, axis=1)
    count, origin = len(missing), np.zeros(1, dtype=np.int64)
    states = _States(np.zeros(1), np.zeros(1), np.zeros((count, 1)), origin, origin)
    steps, complete = list[_States](), True
    for place, group in enumerate(core):
        options = np.flatnonzero(below[group])
        grown = _grown(states, options, more_cost[group], relaxed.over[group], more_saved[:, group])
        # What is saved beyond the need is worth nothing, whatever the groups to come may give back.
        spare = missing - lowest[:, place]
        np.minimum(grown.saved, spare[:, None], out=grown.saved)
        beyond = grown.cost - relaxed.multipliers @ grown.saved
        keep = (beyond <= limit) & (grown.saved + highest[:, place, None] >= missing[:, None] - TIGHT).all(0)
        if not keep.any():
            return None, complete
        states = _undominated(grown.taken(np.flatnonzero(keep)), relaxed.multipliers)
        if len(states.cost) > relaxed.most:
            complete = False
            worth = states.cost - relaxed.multipliers @ states.saved
            states = states.taken(np.argpartition(worth, relaxed.most)[: relaxed.most])
        steps.append(states)
    enough = (states.saved >= missing[:, None] - TIGHT).all(axis=0)
    # What is left over has its price as well; where the core is empty, nothing was held against it yet.
    if not enough.any() or (not len(core) and float(relaxed.multipliers @ -missing) > limit):
        return None, complete
    return _traced(base, core, steps, int(np.argmin(np.where(enough, states.cost, np.inf)))), complete


def _traced(base: np.ndarray, core: np.ndarray, steps: Sequence[_States], state: int) -> np.ndarray:
    """The columns [groups] that led to a state of the last step."""
    columns = base.copy()
    for step, group in zip(reversed(steps), reversed(core), strict=True):
        columns[group] = step.column[state]
        state = int(step.parent[state])
    return columns


def _grown(
    states: _States, options: np.ndarray, cost: np.ndarray, over: np.ndarray, saved: np.ndarray
) -> _States:
    """Every state with each of one group's options."""
    count = len(states.cost)
    return _States(
        (states.cost[None, :] + cost[options, None]).ravel(),
        (states.over[None, :] + over[options, None]).ravel(),
        (states.saved[:, None, :] + saved[:, options, None]).reshape(len(saved), -1),
        np.tile(np.arange(count), len(options)),
        np.repeat(options, count),
    )


def _undominated(states: _States, multipliers: np.ndarray) -> _States:
    """The states without those that cost as much as another or more, and save no more of anything."""
    if len(states.saved) == 1:
        order = np.lexsort((states.cost, -states.saved[0]))
        cost = states.cost[order]
        before = np.concatenate([[np.inf], np.minimum.accumulate(cost)[:-1]])
        return states.taken(order[cost < before - 1e-15])
    order = np.argsort(states.cost - multipliers @ states.saved, kind="stable")
    states = states.taken(order)
    keep = np.ones(len(order), dtype=bool)
    for champion in range(min(CHAMPIONS, len(order))):
        if keep[champion]:
            worse = (states.cost >= states.cost[champion]) & (
                states.saved <= states.saved[:, champion, None]
            ).all(axis=0)
            worse[champion] = False
            keep &= ~worse
    return states.taken(np.flatnonzero(keep))
