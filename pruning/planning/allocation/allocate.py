"""How much to take from each group so that a given share goes at the least forecast cost. Numpy only."""

import numpy as np

from pruning.errors import PruningError
from pruning.planning.forecast.predict import costs_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import MAX_LEVEL, Plan

STEP = 0.01
REACH = 0.1
ROUNDS = 60


def allocate(smap: SensitivityMap, sparsity: float) -> Plan:
    """The plan that removes the share `sparsity` (0..1) of all weights of the map at the least Σ cost.

    Levels are multiples of `STEP`, at most `REACH` from `sparsity`: costs add up only while no group is
    all but gone. The plan removes at least `sparsity`, and at most the weights of one step in one group
    more. Raises PruningError when `sparsity` cannot be reached.
    """
    if not 0.0 < sparsity <= MAX_LEVEL:
        raise PruningError(
            f"A sparsity of {sparsity:g} cannot be shared out: it is a share between 0 and {MAX_LEVEL:g}."
        )
    first = max(0, round((sparsity - REACH) / STEP))
    last = min(round((sparsity + REACH) / STEP), round(MAX_LEVEL / STEP))
    levels = np.arange(first, last + 1) * STEP
    costs = np.stack([costs_at(smap, np.full(len(smap.groups), level)) for level in levels], axis=1)
    chosen = cheapest(costs, smap.parameters, round(sparsity / STEP - first, 9))
    plan = {group: round(float(levels[n]), 6) for group, n in zip(smap.groups, chosen, strict=True)}
    return {group: level for group, level in plan.items() if level > 0}


def cheapest(costs: np.ndarray, weights: np.ndarray, steps: float) -> np.ndarray:
    """A step for each group [groups] so that Σ weight · step ≥ `steps` · Σ weight, at the least Σ cost.

    `costs` [groups, steps] rises along each row; `weights` [groups]. A multiple-choice knapsack, solved by a
    Lagrange multiplier on the lower convex hulls of the rows; what the multiplier leaves over is given back
    step by step, the dearest first.
    """
    ladder = np.arange(costs.shape[1])
    wanted = steps * weights.sum()

    def best(price: float) -> np.ndarray:
        return np.argmin(costs - price * weights[:, None] * ladder, axis=1)

    low, high = 0.0, float(costs.max()) / float(weights.min()) + 1.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if weights @ best(middle) < wanted else (low, middle)
    return _give_back(costs, weights, best(high), wanted)


def _give_back(costs: np.ndarray, weights: np.ndarray, chosen: np.ndarray, wanted: float) -> np.ndarray:
    """Take steps back where that saves most for each weight, as long as enough is removed."""
    rows, chosen = np.arange(len(chosen)), chosen.copy()
    while True:
        spare = weights @ chosen - wanted
        saved = (costs[rows, chosen] - costs[rows, np.maximum(chosen - 1, 0)]) / weights
        free = (chosen > 0) & (weights <= spare + 1e-6)
        if not free.any():
            return chosen
        chosen[np.argmax(np.where(free, saved, -np.inf))] -= 1
