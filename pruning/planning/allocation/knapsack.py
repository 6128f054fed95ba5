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

from pruning.planning.allocation.knapsack_search import Search, met, searched
from pruning.planning.allocation.lagrangian import TIGHT, best_multipliers


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
    costs: np.ndarray,
    budgets: Sequence[Budget],
    allowed: np.ndarray,
    rough: bool = False,
    states: int | None = None,
) -> Choice | None:
    """The choice of least Σ `costs` [groups, levels] that meets every budget; None where there is none.

    `allowed` bool [groups, levels] must leave each group a level. Costs and savings may be any numbers.
    `rough`: a good one will do, in a few milliseconds. `states`: partial choices kept at a time where several
    budgets bind; fewer take less time and find less.
    """
    search = Search(rough, states)
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
        columns, exact = searched(scaled_costs, saved[only], needed[only], multipliers, search)
        if (exact or rough) and columns is not None and met(saved, needed, columns):
            break
    else:
        multipliers, bound = best_multipliers(scaled_costs, saved, needed)
        if bound > 1.0 + 1e-6:  # above the dearest choice there is: the budgets exclude one another
            return None
        columns, exact = searched(scaled_costs, saved, needed, multipliers, search)
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
        if most is not None and met(saved, needed, most.columns):
            return most.columns
    return None
