"""Sparsity allocation: the plan of least forecast KL that meets every target, or of most saving within a KL.

Exact to the levels of the choice table. The least sum of single costs need not be the best model (EvoPress,
arXiv 2410.14649): where a group is pruned very much further than the others costs stop adding up. So levels
stay within `REACH` of the whole's sparsity as long as the targets can be met like that.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.knapsack import Budget, Choice, cheapest_choice, within_reach
from pruning.planning.allocation.targets import (
    COST,
    EXAMPLES,
    QUALITY,
    SPARSITY,
    Infeasible,
    Target,
    met_by,
    requirement,
)
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan

# On the demo model 0.3 lets nearly every plan be as it would be without; 0.1 measured 3 to 7 % worse.
REACH = 0.3
WIDER = (0.5,)
ROUNDS = 4
SETTLED = 0.02


@dataclass(frozen=True, eq=False)
class Solution:
    """A plan with its forecast Σ `cost`: that of the choice table, also where something else was made least.

    No other plan of the table's levels within `reach` has what was made least (see `solve`) below `bound`.
    `gap` = how far the plan may be from the best there is, as a share; 0 where it is proved the best.
    `columns` [groups] of the table. `reach`: how far levels may lie from the whole's. Time in milliseconds.
    """

    plan: Plan
    columns: np.ndarray
    cost: float
    sparsity: float
    bound: float
    gap: float
    reach: float
    milliseconds: float


def solve(
    choices: ChoiceTable,
    targets: Sequence[Target],
    forecaster: Forecaster | None = None,
    reach: float = REACH,
) -> Solution:
    """The best plan of the choice table that meets all targets.

    Parameters
    ----------
    choices
        The levels of each group, what each costs and saves.
    targets
        What must hold. Without a quality among them (`kl`, `perplexity`) the plan has the least Σ cost; with
        one it prunes the most weights; where the table has an `aim` it has the least Σ of that, and qualities
        are limits.
    forecaster
        What turns qualities into costs: needed for `perplexity`; without it a `kl` is read by the prior.
    reach
        How far levels may lie from the whole's sparsity, while the targets can be met like that.

    Raises
    ------
    Infeasible
        With the nearest that is possible, where the targets cannot be met together.
    PruningError
        For a target that there is not, or whose value cannot be.
    """
    start = time.perf_counter()
    if not targets:
        raise PruningError(f"Say what is wanted: a target such as {EXAMPLES}.")
    budgets = [_budget(choices, target, forecaster) for target in targets]
    objective = _objective(choices, targets)
    sparsity = max((target.value for target in targets if target.name == "sparsity"), default=None)
    choice, within = _near_the_whole(choices, objective, budgets, sparsity, reach)
    if choice is None:
        raise Infeasible(targets, _nearest(choices, targets, budgets, forecaster))
    rows = np.arange(len(choice.columns))
    return Solution(
        plan=choices.plan(choice.columns),
        columns=choice.columns,
        cost=float(choices.costs[rows, choice.columns].sum()),
        sparsity=choices.total("parameters", choice.columns) / choices.prunable,
        bound=choice.bound,
        gap=choice.gap,
        reach=within,
        milliseconds=1000 * (time.perf_counter() - start),
    )


def _objective(choices: ChoiceTable, targets: Sequence[Target]) -> np.ndarray:
    """What is made least [groups, columns]."""
    qualities = [target.name in QUALITY for target in targets]
    if choices.aim is not None:
        if all(qualities):
            raise PruningError(
                "Values of capabilities weigh plans of one size against each other. With them, say how much "
                "has to go as well: a sparsity, a size or a number of parameters."
            )
        return choices.aim
    return -choices.saved["parameters"] / choices.prunable if any(qualities) else choices.costs


def front(choices: ChoiceTable, points: int = 40, forecaster: Forecaster | None = None) -> list[Solution]:
    """The plans of least cost over the whole range of sparsity, evenly spaced, from little to the most."""
    saved = choices.saved["parameters"]
    least = float(np.where(choices.allowed, saved, np.inf).min(axis=1).sum()) / choices.prunable
    most = within_reach(Budget("", saved, 0.0), choices.allowed) / choices.prunable
    shares = least + (most - least) * np.arange(1, points + 1) / points
    return [solve(choices, [Target("sparsity", float(share))], forecaster) for share in shares - 1e-12]


def _near_the_whole(
    choices: ChoiceTable,
    objective: np.ndarray,
    budgets: Sequence[Budget],
    sparsity: float | None,
    reach: float,
) -> tuple[Choice | None, float]:
    """The best choice with levels near the whole's sparsity, as near as can be, and how near that was.

    Where no target names the sparsity, or others ask for more, it is what the choice before came to.
    """
    free = cheapest_choice(objective, budgets, choices.allowed, rough=reach < 1)
    if free is None or reach >= 1:
        return free, 1.0
    for width in (reach, *(wider for wider in WIDER if wider > reach)):
        about = choices.total("parameters", free.columns) / choices.prunable if sparsity is None else sparsity
        for _ in range(ROUNDS):
            rough = cheapest_choice(objective, budgets, choices.near(about, width).allowed, rough=True)
            if rough is None:
                break
            reached = choices.total("parameters", rough.columns) / choices.prunable
            if abs(reached - about) < SETTLED:
                break
            about = reached
        choice = cheapest_choice(objective, budgets, choices.near(about, width).allowed) if rough else None
        if choice is not None:
            return choice, width
    return cheapest_choice(objective, budgets, choices.allowed), 1.0


def _budget(choices: ChoiceTable, target: Target, forecaster: Forecaster | None) -> Budget:
    quantity, needed = requirement(target, choices.dense, choices.prunable, forecaster)
    if quantity == COST:
        return Budget(target.name, -choices.costs, needed)
    return Budget(target.name, choices.saved["parameters" if quantity == SPARSITY else quantity], needed)


def _nearest(
    choices: ChoiceTable, targets: Sequence[Target], budgets: Sequence[Budget], forecaster: Forecaster | None
) -> list[Target]:
    """For each target the best value that the others and the bounds leave room for."""
    nearest = []
    for index, target in enumerate(targets):
        others = [budget for place, budget in enumerate(budgets) if place != index]
        best = cheapest_choice(-budgets[index].saved, others, choices.allowed)
        if best is not None:
            nearest.append(met_by(target.name, -best.cost, choices.dense, choices.prunable, forecaster))
    return nearest
