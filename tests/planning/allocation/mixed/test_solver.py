"""The solver over units and weights: the best of all plans on small problems, and bounds that hold."""

import itertools

import pytest

from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds
from pruning.planning.allocation.mixed.choices import mixed_choices
from pruning.planning.allocation.mixed.solver import solve_mixed
from pruning.planning.allocation.targets import Infeasible, Target
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.recipe.plan import KINDS, check_together
from tests.support.mixed import forecaster, machine, parts

LAYERS = 8
DENSE = 4 * parts(LAYERS).parameters
LEVELS = (0.0, 0.3, 0.6)


def _meets(plan: dict, target: Target, layers: int) -> bool:
    cost, value = plan_cost(parts(layers), plan), target.value
    forecast = forecaster(layers).forecast(plan)
    return {
        "file_bytes": cost.file_bytes <= value + 1,
        "bytes": cost.compact_bytes <= value + layers,
        "memory": cost.memory_bytes <= value + 1,
        "speedup": cost.prefill_speedup >= value - 1e-6,
        "decode_speedup": cost.decode_speedup >= value - 1e-6,
        "sparsity": forecast.sparsity >= value - 1e-6,
        "kl": forecast.kl <= value + 1e-9,
        "parameters": forecast.parameters <= value + 1,
    }[target.name]


ASKED = [
    [("file_bytes", 0.8)],
    [("file_bytes", 0.75)],
    [("decode_speedup", 1.2)],
    [("sparsity", 0.5)],
    [("bytes", 0.7)],
    [("parameters", 0.75)],
    [("kl", 0.3)],
    [("file_bytes", 0.85), ("sparsity", 0.5)],
    [("decode_speedup", 1.15), ("memory", 0.9), ("speedup", 1.15), ("sparsity", 0.4)],
    [("kl", 0.5), ("file_bytes", 0.85)],
]


def _targets(asked: list[tuple[str, float]], layers: int = LAYERS) -> list[Target]:
    dense = {"file_bytes": DENSE, "bytes": DENSE, "memory": DENSE, "parameters": DENSE / 4}
    assert layers == LAYERS or not any(name in dense for name, _ in asked)
    return [Target(name, value * dense.get(name, 1.0)) for name, value in asked]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "+".join(name for name, _ in asked))
def test_plans_meet_their_targets_and_lie_near_the_bound(asked) -> None:
    fit, targets = forecaster(LAYERS), _targets(asked)
    choices = mixed_choices(fit, machine(LAYERS), Bounds(most_layers=3))
    found = solve_mixed(choices, targets, fit)
    check_together(found.plan)
    assert all(_meets(found.plan, target, LAYERS) for target in targets)
    assert sum(kind == "layers" for _, kind in found.plan) <= 3
    assert found.cost == pytest.approx(float(fit.costs(found.plan).sum()), rel=1e-6)
    assert found.sparsity == pytest.approx(fit.forecast(found.plan).sparsity, abs=1e-6)
    assert 0 <= found.gap < 0.03
    assert found.bound <= (found.cost if "kl" not in dict(asked) else -found.sparsity) * 1.000001 + 1e-9


TINY = 2
HELD = Bounds(
    locks={(layer, kind): 0.0 for layer in range(TINY) for kind in KINDS if kind not in ("up", "down")},
    ceiling={
        **{(layer, "neurons"): 0.14 for layer in range(TINY)},
        **{(layer, kind): 0.6 for layer in range(TINY) for kind in ("up", "down")},
    },
    most_layers=1,
)


def _every_plan(layers: int):
    """All that the tiny problem's bounds leave, worked out apart from the solver."""
    attention = [{}, {"heads": 3 / 9}, {"heads": 6 / 9}, {"kv_groups": 1 / 3}, {"kv_groups": 2 / 3}]
    neurons = [48 * count / 1536 for count in range(5)]
    for parts_ in itertools.product(attention, neurons, LEVELS, LEVELS, repeat=layers):
        plan = {}
        for layer in range(layers):
            heads, share, up, down = parts_[4 * layer : 4 * layer + 4]
            of_layer = {**heads, "neurons": share, "up": up, "down": down}
            plan |= {(layer, kind): round(level, 6) for kind, level in of_layer.items() if level > 0}
        yield plan


@pytest.mark.parametrize("share", [0.1, 0.15, 0.2])
def test_of_a_tiny_problem_it_finds_nearly_the_best_of_all(share: float) -> None:
    """With one layer free every plan can be looked at: what is found is as good, the bound never above it."""
    fit = forecaster(TINY)
    bounds = Bounds(
        {**HELD.locks, **{(1, kind): 0.0 for kind in ("up", "down", "neurons", "heads", "kv_groups")}},
        ceiling=HELD.ceiling,
    )
    choices = mixed_choices(fit, machine(TINY), bounds, levels=LEVELS)
    every = [(plan, float(fit.costs(plan).sum()), fit.forecast(plan)) for plan in _every_plan(1)]
    best = min(cost for _, cost, forecast in every if forecast.sparsity >= share - 1e-9)
    found = solve_mixed(choices, [Target("sparsity", share)], fit, reach=1.0)
    assert found.bound <= best * (1 + 1e-9)
    assert best * (1 - 1e-9) <= found.cost <= best * (1 + found.gap + 1e-9)
    for left in (0.985, 0.98, 0.976):
        most = left * 4 * parts(TINY).parameters
        fits = [cost for plan, cost, _ in every if plan_cost(parts(TINY), plan).file_bytes <= most]
        found = solve_mixed(choices, [Target("file_bytes", most)], fit)
        assert found.gap == 0
        assert found.cost == pytest.approx(min(fits))


def test_locks_and_bounds_hold_for_every_kind() -> None:
    fit = forecaster(LAYERS)
    bounds = Bounds(
        locks={(2, "heads"): 0.333333, (3, "layers"): 1.0, (4, "down"): 0.2},
        protect="0-1",
        floor={(5, "neurons"): 0.3},
        ceiling={(6, "neurons"): 0.1, (7, "layers"): 0.0},
        most_layers=2,
    )
    choices = mixed_choices(fit, machine(LAYERS), bounds)
    plan = solve_mixed(choices, [Target("file_bytes", 0.8 * DENSE)], fit).plan
    assert plan[2, "heads"] == 0.333333
    assert plan[3, "layers"] == 1.0
    assert plan[4, "down"] == 0.2
    assert not any(layer in (0, 1) for layer, _ in plan)
    assert plan.get((5, "neurons"), 1.0) >= 0.3 or (5, "layers") in plan
    assert plan.get((6, "neurons"), 0.0) <= 0.1
    assert (7, "layers") not in plan
    assert not any((layer, "layers") in plan for layer in (2, 4))


def test_what_cannot_be_is_said_with_what_is_nearest() -> None:
    fit = forecaster(LAYERS)
    choices = mixed_choices(fit, machine(LAYERS), Bounds(most_layers=0))
    with pytest.raises(Infeasible) as caught:
        solve_mixed(choices, [Target("decode_speedup", 9.0), Target("sparsity", 0.2)], fit)
    nearest = {target.name: target for target in caught.value.nearest}
    again = [nearest["decode_speedup"], Target("sparsity", 0.2)]
    assert all(_meets(solve_mixed(choices, again, fit).plan, target, LAYERS) for target in again)
    with pytest.raises(PruningError, match="Say what is wanted"):
        solve_mixed(choices, [], fit)
    with pytest.raises(PruningError, match="no target"):
        solve_mixed(choices, [Target("beauty", 1.0)], fit)


def test_kinds_can_be_left_out() -> None:
    fit = forecaster(LAYERS)
    only = mixed_choices(fit, machine(LAYERS), kinds=("neurons",), weights=False)
    plan = solve_mixed(only, [Target("sparsity", 0.2)], fit).plan
    assert {kind for _, kind in plan} == {"neurons"}
