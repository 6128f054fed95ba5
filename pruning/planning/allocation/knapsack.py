"""The multiple-choice knapsack: one level for each group, at the least cost, within linear budgets.

Two steps. The Lagrangian relaxation gives a multiplier for each budget, and with them a bound that no choice
can beat. Every choice lies above that bound by the sum of its groups' *reduced* costs, all of them 0 or more,
so a search that keeps only sums below a limit holds the optimum as soon as it holds anything; the limit grows
until it does (after D. Pisinger, "A minimal algorithm for the multiple-choice knapsack problem", European
Journal of Operational Research 83, 1995, with a limit instead of an expanding core).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning.planning.allocation.lagrangian import TIGHT, best_multipliers

# Partial choices kept at a time: with one budget far more than it takes; with several, what time allows.
MOST_STATES = (20_000, 4_000)
CHAMPIONS = 48
LIMITS = 24
GROWTH = 2.0
TRIES = 4  # limits at which not all partial choices could be kept, before what there is has to do


@dataclass(frozen=True, eq=False)
class Budget:
    """So much has to be saved: Σ over groups of `saved` [groups, levels] at the level chosen ≥ `needed`.

    A cost that may not be passed is a budget too: what it saves is the cost with its sign turned.
    """

    name: str
    saved: np.ndarray
    needed: float

    def scaled(self) -> "Budget":
        """The same with every group's smallest saving at 0 and the whole range at 1."""
        least = self.saved.min(axis=1, keepdims=True)
        moved = self.saved - least
        span = float(moved.max(axis=1).sum()) or 1.0
        return Budget(self.name, moved / span, (self.needed - float(least.sum())) / span)


@dataclass(frozen=True, eq=False)
class Choice:
    """A level's column for each group [groups], its Σ cost, and the bound that no other choice is below.

    `exact`: nothing is cheaper. Otherwise the best one may lie between `bound` and `cost`.
    """

    columns: np.ndarray
    cost: float
    bound: float
    exact: bool

    @property
    def gap(self) -> float:
        """How far the cost may be above the best, as a share of it; 0 where this is the best."""
        return 0.0 if self.exact else (self.cost - self.bound) / max(abs(self.cost), 1e-300)


def within_reach(budget: Budget, allowed: np.ndarray) -> float:
    """The most that can be saved of one budget alone where only `allowed` [groups, levels] may be chosen."""
    return float(np.where(allowed, budget.saved, -np.inf).max(axis=1).sum())


def cheapest_choice(
    costs: np.ndarray, budgets: Sequence[Budget], allowed: np.ndarray, rough: bool = False
) -> Choice | None:
    """The choice of least Σ `costs` [groups, levels] that meets every budget; None where there is none.

    `allowed` bool [groups, levels] must leave each group a level. Costs and savings may be any numbers.
    `rough`: a good one will do, in a few milliseconds.
    """
    scaled = [budget.scaled() for budget in budgets]
    if any(within_reach(budget, allowed) < budget.needed - TIGHT for budget in scaled):
        return None
    least = np.where(allowed, costs, np.inf).min(axis=1, keepdims=True)
    unit = float(np.where(allowed, costs - least, 0.0).max(axis=1).sum()) or 1.0
    scaled_costs = np.where(allowed, (costs - least) / unit, np.inf)
    saved = np.stack([budget.saved for budget in scaled]) if scaled else np.zeros((0, *costs.shape))
    needed = np.array([budget.needed for budget in scaled])
    for alone in range(len(needed) if len(needed) > 1 else 0):
        # Where the best within one budget meets the others, they do not bind.
        only = slice(alone, alone + 1)
        multipliers, bound = best_multipliers(scaled_costs, saved[only], needed[only])
        columns, exact = _searched(scaled_costs, saved[only], needed[only], multipliers, rough)
        if (exact or rough) and columns is not None and _met(saved, needed, columns):
            break
    else:
        multipliers, bound = best_multipliers(scaled_costs, saved, needed)
        if bound > 1.0 + 1e-6:  # above the dearest choice there is: the budgets exclude one another
            return None
        columns, exact = _searched(scaled_costs, saved, needed, multipliers, rough)
    if columns is None:
        columns, exact = _any(budgets, saved, needed, allowed), False
    if columns is None:
        return None
    cost = float(costs[np.arange(len(costs)), columns].sum())
    return Choice(columns, cost, cost if exact else bound * unit + float(least.sum()), exact)


def _any(
    budgets: Sequence[Budget], saved: np.ndarray, needed: np.ndarray, allowed: np.ndarray
) -> np.ndarray | None:
    """Some columns that meet all budgets, where hardly any do: the most of one within the others."""
    for index, budget in enumerate(budgets if len(budgets) > 1 else ()):
        others = [other for place, other in enumerate(budgets) if place != index]
        most = cheapest_choice(-budget.saved, others, allowed)
        if most is not None and _met(saved, needed, most.columns):
            return most.columns
    return None


def _met(saved: np.ndarray, needed: np.ndarray, columns: np.ndarray) -> bool:
    return bool((saved[:, np.arange(len(columns)), columns].sum(axis=1) >= needed - TIGHT).all())


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
    columns where they are 0, `missing` [budgets] what these leave to be saved."""

    costs: np.ndarray
    saved: np.ndarray
    over: np.ndarray
    base: np.ndarray
    missing: np.ndarray
    multipliers: np.ndarray

    def core(self, limit: float) -> np.ndarray:
        """The groups with more than one level below the limit, those whose second level is dearest first."""
        below = self.over <= limit
        groups = np.flatnonzero(below.sum(axis=1) > 1)
        elsewhere = np.arange(self.over.shape[1]) != self.base[:, None]
        second = np.where(below & elsewhere, self.over, np.inf).min(axis=1)
        return groups[np.argsort(-second[groups], kind="stable")]


def _searched(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, multipliers: np.ndarray, rough: bool
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
    if rough and best is not None:
        return best, False

    def above(columns: np.ndarray) -> float:
        """How far this choice lies above the bound."""
        spare = saved[:, rows, columns].sum(axis=1) - needed
        return float(over[rows, columns].sum() + multipliers @ spare) * (1 + TIGHT) + TIGHT * 1e-6

    largest = float(over[np.isfinite(over)].max()) * len(costs) + 1.0 if best is None else above(best)
    start = float(np.quantile(positive, 0.02)) / 8 if len(positive) else largest
    limit = min(max(start, largest / GROWTH**LIMITS), largest)
    relaxed, tries = _Relaxed(costs, saved, over, base, missing, multipliers), TRIES
    while True:
        columns, complete = _within(relaxed, limit)
        tries -= not complete
        if columns is None and tries > 0 and limit < largest:
            limit = min(limit * GROWTH, largest)
            continue
        if columns is not None and (best is None or costs[rows, columns].sum() < costs[rows, best].sum()):
            best = columns
        if columns is None or complete:
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
        most = MOST_STATES[count > 1]
        if len(states.cost) > most:
            complete = False
            states = states.taken(
                np.argpartition(states.cost - relaxed.multipliers @ states.saved, most)[:most]
            )
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
