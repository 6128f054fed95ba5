"""The plan of whole units and single weights of least forecast damage that meets every target.

Units and weights are coupled only within a layer: what units leave of a group is what its level is a share
of. The Lagrangian relaxation (`mixed_dual`) gives levels to begin with and a bound; then units are chosen
with the levels held, and levels with the units held, each exactly (`knapsack`), in turns until nothing gets
better. What is reported as the gap is the distance to the bound.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pruning.errors import PruningError
from pruning.planning.allocation.mixed.choices import MixedChoices
from pruning.planning.allocation.mixed.search import Problem, near_their_mean, solved, total
from pruning.planning.allocation.solver import REACH
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

PROVED = 1e-6  # below this share a gap is rounding


@dataclass(frozen=True, eq=False)
class MixedSolution:
    """A plan over units and weights, with its forecast Σ `cost`.

    No other plan of the same choices, with weights' levels within `reach` of their mean, has what was made
    least (see `solve_mixed`) below `bound`; `gap`: how far the plan may be from the best, as a share.
    `sparsity`: the share of the prunable weights that goes, with units or alone. Time in milliseconds.
    """

    plan: Plan
    cost: float
    sparsity: float
    bound: float
    gap: float
    reach: float
    milliseconds: float


def solve_mixed(
    choices: MixedChoices,
    targets: Sequence[Target],
    forecaster: Forecaster,
    reach: float = REACH,
) -> MixedSolution:
    """The best plan of these choices that meets all targets.

    Parameters
    ----------
    choices
        What can be done with the units of each layer, and levels of single weights.
    targets
        What must hold. Without a quality among them (`kl`, `perplexity`) the plan has the least Σ cost; with
        one it prunes the most weights.
    forecaster
        What turns qualities into costs.
    reach
        How far levels of single weights may lie from their mean, while the targets can be met like that.

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
    required = [requirement(target, choices.dense, choices.prunable, forecaster) for target in targets]
    objective = SPARSITY if any(target.name in QUALITY for target in targets) else COST
    problem = Problem(choices, objective, tuple(required))
    found, bound, within = near_their_mean(problem, reach)
    if found is None:
        raise Infeasible(targets, _nearest(problem, targets, forecaster))
    cost, pruned = (total(Problem(choices, name, ()), found) for name in (COST, SPARSITY))
    gap = max(0.0, found.total - bound) / max(abs(found.total), 1e-300)
    return MixedSolution(
        plan=choices.plan(found.options, found.columns),
        cost=cost,
        sparsity=-pruned / choices.prunable,
        bound=bound,
        gap=0.0 if gap < PROVED else gap,
        reach=within,
        milliseconds=1000 * (time.perf_counter() - start),
    )


def _nearest(problem: Problem, targets: Sequence[Target], forecaster: Forecaster) -> list[Target]:
    """For each target the best value that the others and the bounds leave room for."""
    choices, nearest = problem.choices, []
    for index, target in enumerate(targets):
        name = problem.budgets[index][0]
        others = tuple(budget for place, budget in enumerate(problem.budgets) if place != index)
        found, _ = solved(Problem(choices, name, others))
        if found is not None:
            nearest.append(met_by(target.name, -found.total, choices.dense, choices.prunable, forecaster))
    return nearest
