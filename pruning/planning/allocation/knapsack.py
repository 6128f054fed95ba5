"""One level for each group, at the least cost, within linear budgets: a multiple-choice knapsack. Numpy only.

Two steps. The Lagrange dual gives prices for what is saved, and with them a bound that no choice can beat.
Every choice lies above that bound by the sum of its groups' *reduced* costs, all of them 0 or more, so a
search that keeps only sums below a limit holds the optimum as soon as it holds anything; the limit grows
until it does (after Pisinger 1995, with a limit instead of an expanding core).
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
    if any(within_reach(one, allowed) < one.needed - TIGHT for one in scaled):
        return None
    least = np.where(allowed, costs, np.inf).min(axis=1, keepdims=True)
    unit = float(np.where(allowed, costs - least, 0.0).max(axis=1).sum()) or 1.0
    own = np.where(allowed, (costs - least) / unit, np.inf)
    saved = np.stack([one.saved for one in scaled]) if scaled else np.zeros((0, *costs.shape))
    needed = np.array([one.needed for one in scaled])
    for alone in range(len(needed) if len(needed) > 1 else 0):
        # Where the best within one budget meets the others, they do not bind.
        only = slice(alone, alone + 1)
        prices, bound = best_multipliers(own, saved[only], needed[only])
        columns, exact = _searched(own, saved[only], needed[only], prices, rough)
        if (exact or rough) and columns is not None and _met(saved, needed, columns):
            break
    else:
        prices, bound = best_multipliers(own, saved, needed)
        if bound > 1.0 + 1e-6:  # above the dearest choice there is: the budgets exclude one another
            return None
        columns, exact = _searched(own, saved, needed, prices, rough)
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
    """Partial choices: what each costs above the start, `over` (its reduced cost) and what it saves [k, n].

    `parent` and `column` say where each came from.
    """

    cost: np.ndarray
    over: np.ndarray
    saved: np.ndarray
    parent: np.ndarray
    column: np.ndarray

    def taken(self, rows: np.ndarray) -> "_States":
        return _States(
            self.cost[rows], self.over[rows], self.saved[:, rows], self.parent[rows], self.column[rows]
        )


def _searched(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, prices: np.ndarray, rough: bool
) -> tuple[np.ndarray | None, bool]:
    """The best columns [groups] and whether that is proved; the limit grows until something is found."""
    worth = costs - np.tensordot(prices, saved, 1)
    base = worth.argmin(axis=1)
    over = worth - worth.min(axis=1, keepdims=True)
    rows = np.arange(len(costs))
    missing = needed - saved[:, rows, base].sum(axis=1)
    if (missing <= TIGHT).all() and float(prices @ -missing) <= TIGHT * 1e-3:
        return base, True
    known = over[np.isfinite(over) & (over > 0)]
    best = _repaired(costs, saved, needed, over, base)
    if rough and best is not None:
        return best, False

    def above(columns: np.ndarray) -> float:
        """How far this choice lies above the bound."""
        spare = saved[:, rows, columns].sum(axis=1) - needed
        return float(over[rows, columns].sum() + prices @ spare) * (1 + TIGHT) + TIGHT * 1e-6

    largest = float(over[np.isfinite(over)].max()) * len(costs) + 1.0 if best is None else above(best)
    start = float(np.quantile(known, 0.02)) / 8 if len(known) else largest
    limit = min(max(start, largest / GROWTH**LIMITS), largest)
    tries = TRIES
    while True:
        found, whole = _within(costs, saved, over, base, missing, prices, limit)
        tries -= not whole
        if found is None and tries > 0 and limit < largest:
            limit = min(limit * GROWTH, largest)
            continue
        if found is not None and (best is None or costs[rows, found].sum() < costs[rows, best].sum()):
            best = found
        if found is None or whole:
            return best, whole
        # Nothing better lies above what this one costs; with fewer in the way it may be proved.
        again, whole = _within(costs, saved, over, base, missing, prices, above(found))
        better = again is not None and costs[rows, again].sum() < costs[rows, found].sum()
        return (again if better else best), whole


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


def _within(
    costs: np.ndarray,
    saved: np.ndarray,
    over: np.ndarray,
    base: np.ndarray,
    missing: np.ndarray,
    prices: np.ndarray,
    limit: float,
) -> tuple[np.ndarray | None, bool]:
    """The cheapest columns among those at most `limit` above the bound, and whether none was left out."""
    rows = np.arange(len(costs))
    open_ = over <= limit
    more_cost, more_saved = costs - costs[rows, base][:, None], saved - saved[:, rows, base][:, :, None]
    core = np.flatnonzero(open_.sum(axis=1) > 1)
    second = np.where(open_ & (np.arange(over.shape[1]) != base[:, None]), over, np.inf).min(axis=1)
    core = core[np.argsort(-second[core], kind="stable")]
    could = np.where(open_, more_saved, -np.inf).max(axis=2)[:, core]
    must = np.where(open_, more_saved, np.inf).min(axis=2)[:, core]
    highest = could.sum(axis=1, keepdims=True) - np.cumsum(could, axis=1)
    lowest = must.sum(axis=1, keepdims=True) - np.cumsum(must, axis=1)
    count = len(missing)
    nothing = np.zeros(1, dtype=np.int64)
    states = _States(np.zeros(1), np.zeros(1), np.zeros((count, 1)), nothing, nothing)
    steps, whole = list[_States](), True
    for place, group in enumerate(core):
        options = np.flatnonzero(open_[group])
        grown = _grown(states, options, more_cost[group], over[group], more_saved[:, group])
        # What is saved beyond the need is worth nothing, whatever the groups to come may give back.
        spare = missing - lowest[:, place]
        np.minimum(grown.saved, spare[:, None], out=grown.saved)
        beyond = grown.cost - prices @ grown.saved
        keep = (beyond <= limit) & (grown.saved + highest[:, place, None] >= missing[:, None] - TIGHT).all(0)
        if not keep.any():
            return None, whole
        states = _undominated(grown.taken(np.flatnonzero(keep)), prices)
        most = MOST_STATES[count > 1]
        if len(states.cost) > most:
            whole = False
            states = states.taken(np.argpartition(states.cost - prices @ states.saved, most)[:most])
        steps.append(states)
    enough = (states.saved >= missing[:, None] - TIGHT).all(axis=0)
    # What is left over has its price as well; where the core is empty, nothing was held against it yet.
    if not enough.any() or (not len(core) and float(prices @ -missing) > limit):
        return None, whole
    state = int(np.argmin(np.where(enough, states.cost, np.inf)))
    columns = base.copy()
    for step, group in zip(reversed(steps), reversed(core), strict=True):
        columns[group] = step.column[state]
        state = int(step.parent[state])
    return columns, whole


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


def _undominated(states: _States, prices: np.ndarray) -> _States:
    """The states without those that cost as much as another or more, and save no more of anything."""
    if len(states.saved) == 1:
        order = np.lexsort((states.cost, -states.saved[0]))
        cost = states.cost[order]
        before = np.concatenate([[np.inf], np.minimum.accumulate(cost)[:-1]])
        return states.taken(order[cost < before - 1e-15])
    order = np.argsort(states.cost - prices @ states.saved, kind="stable")
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
