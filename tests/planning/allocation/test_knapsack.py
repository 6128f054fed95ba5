"""The knapsack: the best of all choices on small problems, and a library's bound on a large one."""

import itertools

import numpy as np
import pytest

from pruning.benchmarks.synthetic import sensitivity_map
from pruning.planning.allocation import lagrangian
from pruning.planning.allocation.choices import map_choices
from pruning.planning.allocation.knapsack import Budget, cheapest_choice
from pruning.planning.forecast.forecaster import Forecaster


def _problem(seed: int, groups: int = 5, levels: int = 4, budgets: int = 1, rising: bool = True):
    rng = np.random.default_rng(seed)
    costs, saved = rng.uniform(0, 1, (groups, levels)), rng.uniform(0, 1, (budgets, groups, levels))
    if rising:
        costs, saved = np.sort(costs, axis=1), np.sort(saved, axis=2)
    allowed = rng.uniform(size=costs.shape) < 0.8
    allowed[np.arange(groups), rng.integers(0, levels, groups)] = True
    needed = rng.uniform(0.3, 0.8, budgets) * groups
    return costs, [Budget(f"b{k}", saved[k], float(needed[k])) for k in range(budgets)], allowed


def _best_of_all(costs, budgets, allowed):
    rows, best = np.arange(len(costs)), np.inf
    for columns in itertools.product(*(np.flatnonzero(row) for row in allowed)):
        if all(budget.saved[rows, columns].sum() >= budget.needed for budget in budgets):
            best = min(best, costs[rows, columns].sum())
    return best


@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("rising", [True, False])
def test_it_finds_the_best_of_all_choices(budgets: int, rising: bool) -> None:
    impossible = 0
    for seed in range(60):
        costs, wanted, allowed = _problem(seed, budgets=budgets, rising=rising)
        best, found = _best_of_all(costs, wanted, allowed), cheapest_choice(costs, wanted, allowed)
        if found is None:
            impossible += 1
            assert best == np.inf, seed
            continue
        rows = np.arange(len(costs))
        assert allowed[rows, found.columns].all()
        assert all(one.saved[rows, found.columns].sum() >= one.needed - 1e-7 for one in wanted)
        assert found.cost == pytest.approx(best), seed
        assert found.exact
        assert found.gap == 0
    assert impossible < 60


def test_a_rough_choice_meets_the_budgets_and_its_bound_is_no_higher_than_the_best() -> None:
    for seed in range(40):
        costs, wanted, allowed = _problem(seed, budgets=2)
        rough, best = (cheapest_choice(costs, wanted, allowed, rough=way) for way in (True, False))
        if best is None:
            continue
        assert rough is not None
        assert rough.bound <= best.cost + 1e-9 <= rough.cost + 2e-9
        assert all(one.saved[np.arange(5), rough.columns].sum() >= one.needed - 1e-7 for one in wanted)


def test_costs_of_any_size_are_the_same_problem() -> None:
    costs, wanted, allowed = _problem(3, groups=20, levels=8)
    usual = cheapest_choice(costs, wanted, allowed)
    other = cheapest_choice(
        costs * 1e-6 - 4, [Budget("b", 1e9 * wanted[0].saved - 7, 1e9 * wanted[0].needed - 140)], allowed
    )
    assert usual is not None
    assert other is not None
    assert (usual.columns == other.columns).all()


def _mip(costs, budgets):
    """(best cost, bound) by HiGHS."""
    optimize, sparse = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.sparse")
    groups, levels = costs.shape
    one_each = sparse.kron(sparse.eye(groups), np.ones((1, levels)))
    saved = np.stack([budget.saved.ravel() / abs(budget.needed) for budget in budgets])
    # HiGHS stops at an absolute gap of 1e-6 as well, which may be more than the costs differ by.
    scale = 1e4 / costs.max()
    found = optimize.milp(
        scale * costs.ravel(),
        constraints=[
            optimize.LinearConstraint(one_each, 1, 1),
            optimize.LinearConstraint(saved, np.sign([budget.needed for budget in budgets]), np.inf),
        ],
        integrality=np.ones(costs.size),
        bounds=optimize.Bounds(0, 1),
        options={"mip_rel_gap": 1e-9, "time_limit": 60},
    )
    return found.fun / scale, found.mip_dual_bound / scale


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_model_of_150_groups_and_20_levels_meets_the_librarys_bound(share: float) -> None:
    menu = map_choices(Forecaster.prior(sensitivity_map()), levels=[0.05 * n for n in range(20)])
    budget = Budget("weights", menu.saved["parameters"], share * menu.prunable)
    found = cheapest_choice(menu.costs, [budget], menu.allowed)
    best, bound = _mip(menu.costs, [budget])
    assert found is not None
    assert found.exact
    assert found.cost == pytest.approx(best, rel=1e-6)
    assert found.cost == pytest.approx(bound, rel=1e-6)


def test_two_budgets_that_both_bind_meet_the_librarys_bound() -> None:
    menu = map_choices(Forecaster.prior(sensitivity_map()), levels=[0.05 * n for n in range(20)])
    speed = np.sort(np.random.default_rng(0).uniform(size=menu.costs.shape), axis=1)
    budgets = [
        Budget("weights", menu.saved["parameters"], 0.5 * menu.prunable),
        Budget("time", speed, 0.6 * float(speed[:, -1].sum())),
    ]
    found = cheapest_choice(menu.costs, budgets, menu.allowed)
    best, bound = _mip(menu.costs, budgets)
    assert found is not None
    assert found.bound <= best * (1 + 1e-6)
    assert found.cost <= bound * (1 + 1e-3)


def test_the_lowest_multiplier_is_where_enough_is_saved_and_not_before() -> None:
    """Held against what just that much less of it saves, with levels that are not allowed among others."""
    random = np.random.default_rng(5)
    for case in range(60):
        costs, saved = random.random((12, 6)).cumsum(axis=1), random.random((12, 6)).cumsum(axis=1)
        costs[:, 0], saved[:, 0] = 0.0, 0.0
        if case % 2:
            costs[random.random(costs.shape) < 0.2] = np.inf
            costs[:, 0] = 0.0

        def most(multiplier: float, costs: np.ndarray = costs, saved: np.ndarray = saved) -> float:
            worth = costs - multiplier * saved
            near = worth <= worth.min(axis=1, keepdims=True) + 1e-13
            return float(np.where(near, saved, -np.inf).max(axis=1).sum())

        reachable = float(np.where(np.isfinite(costs), saved, -np.inf).max(axis=1).sum())
        needed = float(random.uniform(0.05, 0.999)) * reachable
        found = lagrangian._one_multiplier(costs, saved, needed)
        assert most(found) >= needed - 1e-6
        assert most(found * (1 - 1e-6)) < needed
    assert lagrangian._one_multiplier(costs, saved, 0.0) == 0.0
    assert lagrangian._one_multiplier(costs, saved, 2 * reachable) == lagrangian.MOST_MULTIPLIER
