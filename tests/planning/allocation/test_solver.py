"""The solver on maps: every target is met at the least cost, bounds hold, and what cannot be is said."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pruning.benchmarks.synthetic import sensitivity_map
from pruning.errors import PruningError
from pruning.planning.allocation import baselines as rivals
from pruning.planning.allocation.choices import Bounds, map_choices, unit_choices, with_latency
from pruning.planning.allocation.solver import REACH, front, solve
from pruning.planning.allocation.targets import Target, parse_target
from pruning.planning.cost.latency_table import LatencyTable, speedup
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import KINDS
from tests.support.synthetic import total_cost

TABLE = sensitivity_map(layers=6)
MENU = map_choices(Forecaster.prior(TABLE))
LATENCY = LatencyTable(
    dense={"prefill": 100.0, "decode": 40.0},
    shares={"neurons": (0.0, 0.5, 1.0)},
    saved={"prefill": {"neurons": (0.0, 20.0, 40.0)}, "decode": {"neurons": (0.0, 4.0, 8.0)}},
    spread={"prefill": 0.01, "decode": 0.02},
    layers=2,
    tokens=256,
    machine="here",
    device="cpu",
    threads=2,
    measured="2026-01-01T00:00:00+00:00",
)
SIZES = dict(zip(TABLE.groups, TABLE.parameters.tolist(), strict=True))


def _share(plan) -> float:
    return sparsity(plan, SIZES)


@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.8])
def test_a_share_is_met_and_costs_no_more_than_with_nearer_levels(wanted: float) -> None:
    found = solve(MENU, [Target("sparsity", wanted)])
    assert _share(found.plan) >= wanted - 1e-9
    assert found.cost <= solve(MENU, [Target("sparsity", wanted)], reach=0.1).cost
    assert found.cost == pytest.approx(total_cost(TABLE, found.plan))
    assert found.gap == 0
    assert found.reach == REACH
    levels = np.array([found.plan.get(group, 0.0) for group in TABLE.groups])
    assert (np.abs(levels - wanted) <= REACH + 1e-9).all()


def test_size_targets_are_what_may_stay() -> None:
    for name, value in (("parameters", 40e6), ("bytes", 150e6)):
        told = Forecaster.prior(TABLE).forecast(solve(MENU, [Target(name, value)]).plan)
        assert getattr(told, name) <= value * (1 + 1e-9)
        assert getattr(told, name) > 0.99 * value


def test_a_quality_floor_takes_the_most_that_it_allows() -> None:
    found = solve(MENU, [Target("kl", 0.2)])
    assert 0.19 < Forecaster.prior(TABLE).forecast(found.plan).kl <= 0.2 + 1e-9
    # Taking any more costs more than was allowed, within the same reach.
    more = solve(MENU, [Target("sparsity", found.sparsity + 0.002)])
    assert Forecaster.prior(TABLE).forecast(more.plan).kl > 0.2
    by_perplexity = solve(MENU, [Target("perplexity", 40.0)], Forecaster.prior(TABLE))
    assert 39.5 < Forecaster.prior(TABLE).forecast(by_perplexity.plan).perplexity <= 40.0 + 1e-6


def test_several_targets_hold_together() -> None:
    found = solve(MENU, [Target("sparsity", 0.4), Target("bytes", 150e6)])
    told = Forecaster.prior(TABLE).forecast(found.plan)
    assert told.sparsity >= 0.4 - 1e-9
    assert told.bytes <= 150e6 + 1
    both = solve(MENU, [Target("kl", 0.3), Target("bytes", 220e6)])
    assert Forecaster.prior(TABLE).forecast(both.plan).kl <= 0.3 + 1e-9


def test_locks_protection_and_bounds_hold() -> None:
    bounds = Bounds(
        locks={(2, "down"): 0.333, (3, "up"): 0.0},
        protect="0,5",
        floor=dict.fromkeys(TABLE.groups, 0.2),
        ceiling={(1, kind): 0.4 for kind in KINDS},
    )
    found = solve(map_choices(Forecaster.prior(TABLE), bounds), [Target("sparsity", 0.35)])
    assert found.plan[2, "down"] == 0.333
    assert (3, "up") not in found.plan
    assert not {layer for layer, _ in found.plan} & {0, 5}
    assert all(found.plan[1, kind] <= 0.4 for kind in KINDS)
    rest = set(TABLE.groups) - {(3, "up")} - {(layer, kind) for layer in (0, 5) for kind in KINDS}
    assert all(found.plan[group] >= 0.2 for group in rest)
    assert _share(found.plan) >= 0.35 - 1e-9


def test_kinds_that_a_calibration_found_dearer_lose_less() -> None:
    usual = solve(MENU, [Target("sparsity", 0.5)]).plan
    dear_up = Forecaster(TABLE, replace(Forecaster.prior(TABLE).fit, weights={"up": 3.0}))
    dearer = solve(map_choices(dear_up), [Target("sparsity", 0.5)])
    assert sum(dearer.plan[n, "up"] for n in range(6)) < sum(usual[n, "up"] for n in range(6))
    assert dearer.cost > total_cost(TABLE, dearer.plan)


def test_levels_go_further_than_the_reach_only_where_they_have_to() -> None:
    found = solve(map_choices(Forecaster.prior(TABLE), Bounds(protect="0-3")), [Target("sparsity", 0.3)])
    assert found.reach > REACH
    assert _share(found.plan) >= 0.3 - 1e-9


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([Target("sparsity", 0.97)], r"nearest possible is sparsity=0\.95"),
        ([Target("bytes", 1e6)], r"nearest possible is bytes=\d+"),
        ([Target("kl", 0.01), Target("sparsity", 0.5)], r"kl=\d\.\d+ or sparsity=0\.\d+, with the other"),
        ([Target("sparsity", 1.5)], "no share"),
        ([Target("kl", -1.0)], "no room"),
        ([Target("speedup", 1.4)], "multiply by zeros as slowly"),
        ([Target("memory", 3e8)], "hold zeros like any other number"),
        ([Target("wings", 1.4)], 'no target "wings"'),
        ([Target("perplexity", 20.0)], "not above the dense"),
        ([], "Say what is wanted"),
    ],
)
def test_what_cannot_be_is_said_with_the_nearest_possible(targets, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        solve(MENU, targets, Forecaster.prior(TABLE))


def test_the_nearest_possible_is_possible() -> None:
    with pytest.raises(PruningError) as caught:
        solve(MENU, [Target("kl", 0.01), Target("sparsity", 0.5)])
    text = str(caught.value).partition("nearest possible is ")[2]
    kl, share = (float(part.partition("=")[2]) for part in text.partition(", with")[0].split(" or "))
    solve(MENU, [Target("kl", kl), Target("sparsity", 0.5)])
    solve(MENU, [Target("kl", 0.01), Target("sparsity", share)])


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(locks={(9, "up"): 0.5}), "no up in layer 9"),
        (Bounds(locks={(1, "up"): 0.5}, protect="1"), "protected"),
        (Bounds(protect="7"), "no layer 7"),
        (Bounds(floor={(1, "up"): 0.6}, ceiling={(1, "up"): 0.5}), "over its ceiling"),
        (Bounds(floor={(1, "up"): 0.501}, ceiling={(1, "up"): 0.509}), "there is no level"),
    ],
)
def test_bounds_that_exclude_one_another_are_refused(bounds: Bounds, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        map_choices(Forecaster.prior(TABLE), bounds)


@pytest.mark.parametrize("text", ["sparsity", "=0.5", "kl=abc", "bytes=nan", "bytes=inf"])
def test_a_target_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(PruningError, match="cannot be read"):
        parse_target(text)
    assert parse_target("bytes=2e8") == Target("bytes", 2e8)


def test_the_front_rises_and_holds_the_solvers_own_plans() -> None:
    found = front(MENU, points=12)
    assert len(found) == 12
    assert (np.diff([one.cost for one in found]) > 0).all()
    assert found[-1].sparsity == pytest.approx(0.95)
    assert found[5].plan == solve(MENU, [Target("sparsity", 0.95 * 6 / 12)]).plan


def test_units_of_layers_of_different_size() -> None:
    costs = {0: 0.01 * np.arange(33.0) ** 2, 1: 0.03 * np.arange(17.0) ** 2}
    dense = {"parameters": 1e5, "bytes": 4e5, "weight_bytes": 4}
    menu = unit_choices(costs, {0: 40, 1: 20}, "neurons", {0: 30, 1: 30}, dense)
    found = solve(menu, [Target("sparsity", 0.5)], reach=1.0)
    # 30 of 60 neurons: a² + 3b² with a + b = 30 is least at 22.5 and 7.5, with a <= 32.
    assert found.plan in (
        {(0, "neurons"): 22 / 40, (1, "neurons"): 8 / 20},
        {(0, "neurons"): 23 / 40, (1, "neurons"): 7 / 20},
    )
    assert menu.total("bytes", found.columns) == pytest.approx(30 * 30 * 4)
    assert solve(menu, [Target("memory", 4e5 - 30 * 30 * 4)], reach=1.0).plan == found.plan
    with pytest.raises(PruningError, match=r"sparsity=0\.8"):
        solve(menu, [Target("sparsity", 0.9)])
    locked = unit_choices(
        costs, {0: 40, 1: 20}, "neurons", {0: 30, 1: 30}, dense, Bounds(locks={(1, "neurons"): 0.1})
    )
    assert solve(locked, [Target("sparsity", 0.5)]).plan == {(0, "neurons"): 28 / 40, (1, "neurons"): 0.1}


def test_a_speed_target_takes_units_until_the_model_is_that_fast() -> None:
    costs = {0: 0.01 * np.arange(33.0) ** 2, 1: 0.03 * np.arange(33.0) ** 2}
    dense = {"parameters": 1e5, "bytes": 4e5, "weight_bytes": 4}
    bare = unit_choices(costs, {0: 40, 1: 40}, "neurons", {0: 30, 1: 30}, dense)
    menu = with_latency(bare, LATENCY)
    found = solve(menu, [Target("speedup", 1.25)], reach=1.0)
    assert speedup(LATENCY, found.plan, "prefill") >= 1.25
    less = found.plan | {(1, "neurons"): found.plan[1, "neurons"] - 1 / 40}
    assert speedup(LATENCY, less, "prefill") < 1.25, "no more goes than has to"
    assert found.plan[0, "neurons"] > found.plan[1, "neurons"], "more from the layer where it costs less"
    with pytest.raises(PruningError, match=r"nearest possible is decode_speedup=1\.\d+") as caught:
        solve(menu, [Target("decode_speedup", 9.0)])
    nearest = float(re.findall(r"decode_speedup=(\d\.\d+)", str(caught.value))[-1])
    assert solve(menu, [Target("decode_speedup", nearest)]).plan


def test_rivals_reach_the_share_that_is_asked_for() -> None:
    outliers = {layer: 0.01 * layer**2 for layer in range(6)}
    plans = {
        "uniform": rivals.uniform(MENU, 0.5),
        "owl": rivals.owl(MENU, 0.5, outliers),
        "greedy": rivals.greedy(MENU, 0.5),
        "ramp": rivals.preset(MENU, 0.5, "ramp"),
    }
    assert all(_share(plan) == pytest.approx(0.5, abs=0.002) for plan in plans.values())
    own = plans["owl"]
    assert all(own[layer, "up"] == own[layer, "qkv"] for layer in range(6))
    levels = [own[layer, "up"] for layer in range(6)]
    assert (np.diff(levels) < 0).all()
    assert levels[0] - levels[-1] == pytest.approx(2 * rivals.OWL_REACH, abs=1e-5)
    assert rivals.preset(MENU, 0.9, "guide_attention") is None


def test_greedy_takes_the_cheapest_step_each_time() -> None:
    costs = {0: np.array([0.0, 1.0, 1.5, 9.0]), 1: np.array([0.0, 0.8, 3.0, 9.0])}
    dense = {"parameters": 1e5, "bytes": 4e5, "weight_bytes": 4}
    menu = unit_choices(costs, {0: 4, 1: 4}, "neurons", {0: 10, 1: 10}, dense)
    # It sees 0.8 before 1.0, and only then that a second step of the first would have been cheap.
    assert rivals.greedy(menu, 0.25) == {(0, "neurons"): 0.25, (1, "neurons"): 0.25}
    assert solve(menu, [Target("sparsity", 0.25)], reach=1.0).plan == {(0, "neurons"): 0.5}
