"""Allocation: the cheapest way to reach a sparsity, and never less than was asked for."""

import itertools

import numpy as np
import pytest

from pruning.errors import PruningError
from pruning.planning.allocation.allocate import REACH, STEP, allocate, cheapest
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, sparsity
from tests.support.synthetic import total_cost

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def _table(seed: int = 0, layers: int = 4) -> SensitivityMap:
    """Groups of different size whose cost rises with different power and scale."""
    rng = np.random.default_rng(seed)
    groups = tuple((layer, kind) for layer in range(layers) for kind in KINDS)
    scale, power = rng.uniform(0.01, 1, (len(groups), 1)), rng.uniform(1.5, 4, (len(groups), 1))
    cost = scale * np.array(LEVELS) ** power
    sizes = rng.choice([200, 600, 1000], len(groups))
    return SensitivityMap(
        "m", "f", "fisher", "d", "df", LEVELS, groups, sizes, cost, cost, {"perplexity": 9.0}, 0.0, 0.0
    )


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.8])
def test_the_share_is_reached_and_hardly_exceeded(wanted: float) -> None:
    table = _table()
    sizes = dict(zip(table.groups, table.parameters.tolist(), strict=True))
    plan = allocate(table, wanted)
    reached = sparsity(plan, sizes)
    assert wanted - 1e-9 <= reached < wanted + STEP * 1000 / sum(sizes.values())
    assert all(max(0.0, wanted - REACH) <= level + 1e-9 for level in plan.values())
    assert all(level <= min(0.95, wanted + REACH) + 1e-9 for level in plan.values())
    uniform = dict.fromkeys(table.groups, wanted)
    assert total_cost(table, plan) < 0.95 * total_cost(table, uniform)


def test_it_finds_the_best_of_all_plans_of_a_small_problem() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        costs = np.cumsum(np.cumsum(rng.uniform(0.1, 1, (3, 6)), axis=1), axis=1)
        costs -= costs[:, :1]
        found = cheapest(costs, np.ones(3), 2.0)
        every = itertools.product(range(6), repeat=3)
        best = min(sum(costs[g, s] for g, s in enumerate(plan)) for plan in every if sum(plan) >= 6)
        assert sum(costs[g, s] for g, s in enumerate(found)) == pytest.approx(best)


def test_cheap_groups_give_more() -> None:
    costs = np.array([[0.0, 1.0, 4.0, 9.0], [0.0, 10.0, 40.0, 90.0]])
    assert cheapest(costs, np.ones(2), 1.5).tolist() == [3, 0]
    assert cheapest(costs, np.array([1.0, 1.0]), 2.0).tolist() == [3, 1]


def test_what_cannot_be_reached_is_refused() -> None:
    for wrong in (0.0, 0.97, float("nan")):
        with pytest.raises(PruningError, match="cannot be shared out"):
            allocate(_table(), wrong)
