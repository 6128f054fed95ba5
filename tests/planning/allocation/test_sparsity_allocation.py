"""A sparsity is shared out at the least cost, hardly more than was asked for, near the whole's level."""

import itertools

import numpy as np
import pytest

from pruning.errors import PruningError
from pruning.planning.allocation.choices import STEP, map_choices, unit_choices
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import KINDS

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
REACH = 0.1
DENSE = {"perplexity": 9.0, "parameters": 20_000, "bytes": 80_000, "weight_bytes": 4}


def _map(seed: int = 0, groups: tuple[tuple[int, str], ...] | None = None) -> SensitivityMap:
    """Groups of different size whose cost rises with different power and scale."""
    rng = np.random.default_rng(seed)
    groups = groups or tuple((layer, kind) for layer in range(4) for kind in KINDS)
    scale, power = rng.uniform(0.01, 1, (len(groups), 1)), rng.uniform(1.5, 4, (len(groups), 1))
    cost = scale * np.array(LEVELS) ** power
    sizes = rng.choice([200, 600, 1000], len(groups))
    return SensitivityMap("m", "f", "fisher", "d", "df", LEVELS, groups, sizes, cost, cost, DENSE, 0.0, 0.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_share_is_reached_and_hardly_exceeded(share: float) -> None:
    smap = _map()
    sizes = dict(zip(smap.groups, smap.parameters.tolist(), strict=True))
    choices = map_choices(Forecaster.prior(smap))
    solution = solve(choices, [Target("sparsity", share)], reach=REACH)
    reached = sparsity(solution.plan, sizes)
    assert share - 1e-9 <= reached < share + STEP * 1000 / sum(sizes.values())
    assert all(max(0.0, share - REACH) <= level + 1e-9 for level in solution.plan.values())
    assert all(level <= min(0.95, share + REACH) + 1e-9 for level in solution.plan.values())
    uniform = np.full(len(smap.groups), round(share / STEP))
    assert solution.cost < 0.95 * choices.costs[np.arange(len(uniform)), uniform].sum()


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_best_of_all_plans_of_a_small_problem(seed: int) -> None:
    """Every plan whose levels are near enough, tried one by one."""
    choices = map_choices(Forecaster.prior(_map(seed, tuple((0, kind) for kind in ("up", "down", "gate")))))
    solution = solve(choices, [Target("sparsity", 0.5)], reach=0.05)
    columns = range(45, 56)
    costs = [
        float(choices.costs[np.arange(3), plan].sum())
        for plan in itertools.product(columns, repeat=3)
        if choices.total("parameters", np.array(plan)) >= 0.5 * choices.prunable - 1e-9
    ]
    assert solution.cost == pytest.approx(min(costs))


def test_units_go_where_they_cost_least() -> None:
    cheap, dear = np.arange(45) ** 2 * 1.0, np.arange(45) ** 2 * 9.0
    layers = {0: 64, 1: 64}
    choices = unit_choices({0: cheap, 1: dear}, layers, "neurons", {0: 10, 1: 10}, DENSE)
    plan = solve(choices, [Target("sparsity", 0.25)], reach=1.0).plan
    # 32 of 128 are pruned: a² + 9b² with a + b = 32 is least at 28.8 and 3.2.
    assert plan == {(0, "neurons"): 29 / 64, (1, "neurons"): 3 / 64}
    with pytest.raises(PruningError, match="nearest possible is sparsity=0.68"):
        solve(choices, [Target("sparsity", 0.8)], reach=1.0)
