"""The forecast: right arithmetic, an honest band, learning from measurements, and no torch."""

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pruning.errors import PruningError
from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.fit import ForecastFit, prior
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import LEVEL_SLOPE, SensitivityMap, combined
from pruning.planning.recipe.plan import KINDS, Plan
from tests.support.synthetic import total_cost

LEVELS = tuple(round(0.1 * step, 1) for step in range(1, 10))


def make_table(layers: int = 30, seed: int = 0, only: Sequence[str] = KINDS) -> SensitivityMap:
    rng = np.random.default_rng(seed)
    groups = tuple((layer, kind) for layer in range(layers) for kind in only)
    scale = np.exp(rng.normal(-3, 1, (len(groups), 1)))
    cost = scale * np.array(LEVELS) ** 3
    return SensitivityMap(
        model="m",
        fingerprint="f",
        criterion="fisher",
        data="demo",
        data_fingerprint="d",
        levels=LEVELS,
        groups=groups,
        parameters=rng.integers(1000, 5000, len(groups)),
        kronecker=cost * 2,
        token=cost / 2,
        dense={"perplexity": 30.0, "accuracy": 0.4, "bytes": 4e6, "parameters": 1e6, "weight_bytes": 4},
        seconds=1.0,
        dense_forwards=6.0,
    )


def uniform(table: SensitivityMap, level: float) -> Plan:
    return dict.fromkeys(table.groups, level)


def test_the_dense_plan_costs_nothing() -> None:
    made = Forecaster.prior(make_table()).forecast({})
    assert (made.kl, made.kl_low, made.kl_high, made.sparsity) == (0.0, 0.0, 0.0, 0.0)
    assert made.perplexity == made.perplexity_high == 30.0
    assert made.agreement == 1.0
    assert made.accuracy == made.accuracy_low == 0.4
    assert made.bytes == made.file_bytes == 4_000_000
    assert made.parameters == 1_000_000


def test_costs_add_up_and_follow_kappa_and_beta() -> None:
    table = make_table()
    plan = {(0, "up"): 0.5, (3, "down"): 0.3}
    rows = [table.groups.index(group) for group in plan]
    slope = np.exp(LEVEL_SLOPE * (np.array([0.5, 0.3]) - 0.5))
    # The two estimators are twice and half of what they were made from: their mean is that again.
    by_hand = (np.array([table.token[rows[0], 4], table.token[rows[1], 2]]) * 2 * slope).sum()
    assert total_cost(table, plan) == pytest.approx(by_hand)
    used = ForecastFit(kappa=2.0, beta=0.9, spread=0.1, measured=3)
    made = Forecaster(table, used).forecast(plan)
    assert made.kl == pytest.approx(2.0 * by_hand**0.9)
    assert made.kl_high / made.kl == pytest.approx(made.kl / made.kl_low)
    assert Forecaster(table, used).group_costs(plan).sum() == pytest.approx(made.kl)
    assert np.flatnonzero(Forecaster.prior(table).group_costs(plan)).tolist() == sorted(rows)


def test_an_ordinary_file_holds_zeros_and_only_cut_units_make_it_smaller() -> None:
    table = make_table()
    zeros = Forecaster.prior(table).forecast(uniform(table, 0.5))
    assert zeros.file_bytes == 4_000_000
    assert zeros.bytes == pytest.approx(4e6 - table.prunable * (0.5 * 4 - 1 / 8), abs=1)
    units = make_table(only=("neurons",))
    cut = Forecaster.prior(replace(units, structure="neurons")).forecast(uniform(units, 0.5))
    assert cut.file_bytes == cut.bytes == pytest.approx(4e6 - units.prunable * 2, abs=1)


def test_levels_between_and_beyond_the_map_follow_the_power_law() -> None:
    table = replace(make_table(), structure="neurons")
    for level in (0.03, 0.25, 0.95):
        row = 6
        expected = table.token[row, 4] * 2 * (level / 0.5) ** 3
        assert total_cost(table, {table.groups[row]: level}) == pytest.approx(expected, rel=1e-6)


def test_costs_of_plans_rise_faster_with_the_level_than_the_second_order_form() -> None:
    weights, units = make_table(), replace(make_table(), structure="neurons")
    group = weights.groups[6]
    for level in (0.2, 0.5, 0.8):
        faster = total_cost(weights, {group: level}) / total_cost(units, {group: level})
        assert faster == pytest.approx(np.exp(LEVEL_SLOPE * (level - 0.5)))


def test_a_map_of_one_level_can_be_used() -> None:
    table = make_table(2)
    kept = {"kronecker": table.kronecker[:, 4:5].tolist(), "token": table.token[:, 4:5].tolist()}
    single = SensitivityMap.from_dict({**table.to_dict(), "levels": [0.5], **kept})
    assert total_cost(single, {(0, "up"): 0.25}) < total_cost(single, {(0, "up"): 0.5})


@pytest.mark.parametrize("kind", ["heads", "kv_groups"])
def test_blocks_of_attention_are_priced_by_the_kronecker_form_alone(kind: str) -> None:
    kronecker, token = np.array([[0.1, 0.4]]), np.array([[0.9, 0.1]])
    assert combined([(0, kind)], (0.5, 0.9), kronecker, token).tolist() == kronecker.tolist()


def test_qkv_takes_the_smaller_estimate_and_the_others_the_mean() -> None:
    table = make_table(1)
    np.testing.assert_allclose(table.cost[0, :5], table.token[0, :5])
    growth = np.diff(np.log(table.cost[0, 4:])) / np.diff(np.log(LEVELS[4:]))
    np.testing.assert_allclose(growth, 2.5)
    np.testing.assert_allclose(table.cost[1], np.sqrt(table.kronecker[1] * table.token[1]))
    np.testing.assert_allclose(table.disagreement, 4.0)


def test_more_sparsity_is_never_forecast_better() -> None:
    table = make_table()
    made = [Forecaster.prior(table).forecast(uniform(table, level)) for level in (0.1, 0.3, 0.5, 0.7, 0.9)]
    for lighter, heavier in itertools.pairwise(made):
        assert heavier.kl > lighter.kl
        assert heavier.perplexity > lighter.perplexity
        assert heavier.agreement < lighter.agreement
        assert heavier.bytes < lighter.bytes
    for one in made:
        assert one.kl_low < one.kl < one.kl_high
        assert one.perplexity_low < one.perplexity < one.perplexity_high
        assert one.agreement_low < one.agreement < one.agreement_high
        assert one.accuracy_low < one.accuracy < one.accuracy_high


def test_sparse_size_counts_one_bit_a_weight_and_never_grows() -> None:
    table = make_table()
    half = Forecaster.prior(table).forecast(uniform(table, 0.5))
    total = int(table.parameters.sum())
    assert half.bytes == pytest.approx(4e6 - total * (2 - 0.125), abs=1)
    assert Forecaster.prior(table).forecast(uniform(table, 0.01)).bytes == 4_000_000
    assert half.sparsity == pytest.approx(0.5)
    assert half.parameters == pytest.approx(1e6 - total / 2, abs=1)


def test_calibration_finds_what_made_the_measurements() -> None:
    table, rng = make_table(), np.random.default_rng(1)
    plans = [{g: float(rng.uniform(0.1, 0.9)) for g in table.groups[::3]} for _ in range(60)]
    measured = [(p, 2.2 * total_cost(table, p) ** 1.15 * math.exp(rng.normal(0, 0.05))) for p in plans]
    learned = Forecaster.fitted(table, measured).fit
    assert learned.measured == 60
    plan = plans[0]
    truth = 2.2 * total_cost(table, plan) ** 1.15
    assert abs(math.log(Forecaster(table, learned).forecast(plan).kl / truth)) < 0.1
    assert abs(math.log(Forecaster.prior(table).forecast(plan).kl / truth)) > 0.3
    assert learned.spread < prior().spread


@pytest.mark.parametrize("kinds", [KINDS, ("qkv", "attn_out", "up", "down")])
def test_the_plans_to_measure_tell_what_the_depth_costs(kinds: Sequence[str]) -> None:
    table = make_table(only=kinds)
    truth = ForecastFit(1.25, 1.0, 0.1, 0, dict.fromkeys(kinds, 1.0), depth=-0.4)
    plans = calibration_plans(table)
    for kind in kinds:
        assert max(plan.get((15, kind), 0.0) for plan in plans) > 0.3
    learned = Forecaster.fitted(table, [(p, Forecaster(table, truth).forecast(p).kl) for p in plans]).fit
    assert learned.depth == pytest.approx(-0.4, abs=0.15)
    assert learned.covariance[-1][-1] < 0.7 * Forecaster.prior(table).fit.covariance[-1][-1]
    for layers in (range(15), range(15, 30)):
        plan = {group: 0.4 for group in table.groups if group[0] in layers}
        wanted = Forecaster(table, truth).forecast(plan).kl
        off = [
            abs(math.log(Forecaster(table, known).forecast(plan).kl / wanted))
            for known in (Forecaster.prior(table).fit, learned)
        ]
        assert off[1] < 0.5 * off[0]


def test_of_one_kind_alone_no_depth_is_learnt() -> None:
    table = make_table(only=KINDS[-1:])
    truth = ForecastFit(2.0, 1.05, 0.1, 0, {"down": 1.0}, depth=-0.4)
    learned = Forecaster.fitted(
        table, [(p, Forecaster(table, truth).forecast(p).kl) for p in calibration_plans(table)]
    ).fit
    assert learned.depth == pytest.approx(0, abs=1e-4)
    assert learned.kappa * learned.weights["down"] > 1.5


def test_one_measurement_pulls_the_forecast_its_way_only_in_part() -> None:
    table = make_table()
    plan = uniform(table, 0.4)
    before = Forecaster.prior(table).forecast(plan).kl
    after = Forecaster(table, Forecaster.fitted(table, [(plan, before * 1.5)]).fit).forecast(plan).kl
    assert before < after < before * 1.5
    assert Forecaster.fitted(table, []).fit == Forecaster.prior(table).fit
    assert Forecaster.fitted(table, [({}, 0.0)]).fit.measured == 0


@pytest.mark.parametrize("cost", [0.0, 0.02, 0.3, 4.0])
def test_the_cost_at_a_kl_is_the_one_that_gives_it(cost: float) -> None:
    forecaster = Forecaster(make_table(), ForecastFit(kappa=1.4, beta=0.9, spread=0.2, measured=3))
    assert forecaster.cost_of(forecaster.kl_of(cost)) == pytest.approx(cost)


def test_the_weighted_map_costs_without_weights_what_the_map_costs_with_them() -> None:
    table = make_table()
    fit = replace(Forecaster.prior(table).fit, weights={"up": 2.0, "down": 0.5}, depth=0.3)
    forecaster = Forecaster(table, fit)
    plain = Forecaster(forecaster.weighted_map, replace(fit, weights={}, depth=0.0))
    plan = uniform(table, 0.4)
    assert plain.costs(plan) == pytest.approx(forecaster.costs(plan))


def test_curve_starts_at_nothing_and_rises() -> None:
    table = make_table()
    alone = Forecaster.prior(table).forecast_alone()
    kl = [alone[(0, "up"), level].kl for level in (0.0, *table.levels)]
    assert kl[0] == 0.0
    assert len(kl) == 10
    assert (np.diff(kl) > 0).all()


def test_groups_alone_are_forecast_from_the_single_group_costs() -> None:
    table, learned = make_table(4), ForecastFit(kappa=1.4, beta=0.95, spread=0.2, measured=3)
    found = Forecaster(table, learned).forecast_alone()
    assert len(found) == len(table.groups) * (len(LEVELS) + 1)
    for (group, level), seen in found.items():
        true = Forecaster(table, learned).forecast({group: level} if level else {})
        assert (seen.bytes, seen.parameters) == (true.bytes, true.parameters)
        assert seen.sparsity == pytest.approx(true.sparsity)
        if level:
            cost = table.cost[table.groups.index(group), LEVELS.index(level)]
            assert seen.kl == pytest.approx(1.4 * cost**0.95)
            assert seen.kl_high / seen.kl == pytest.approx(true.kl_high / true.kl), "the band is as wide"
        else:
            assert seen == true


def test_maps_survive_a_file_and_bad_files_are_explained(tmp_path: Path) -> None:
    table, path = make_table(), tmp_path / "map.json"
    table.save(path)
    assert SensitivityMap.load(path).to_dict() == table.to_dict()
    assert list(tmp_path.iterdir()) == [path]
    for text in ("nonsense", "[]", "{}", '{"version": 99}'):
        path.write_text(text)
        with pytest.raises(PruningError):
            SensitivityMap.load(path)
    with pytest.raises(PruningError, match="no group up in layer 99"):
        Forecaster.prior(table).forecast({(99, "up"): 0.5})


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": [0.5, 0.1]},
        {"levels": [0.1, float("nan")]},
        {"levels": [[0.1], [0.5]]},
        {"data": -1},
        {"model_fingerprint": float("inf")},
        {"dense": {}},
        {"dense": []},
        {"groups": []},
        {"kronecker": [[1.0]]},
        {"token": float("inf")},
        {"parameters": [float("inf")]},
        {"unit_totals": [1]},
        {"seconds": "long"},
    ],
    ids=str,
)
def test_a_map_that_does_not_fit_together_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(make_table().to_dict() | wrong))
    with pytest.raises(PruningError, match=r"(is damaged|not a sensitivity map).*prunescope map"):
        SensitivityMap.load(path)


def test_forecasting_imports_no_torch() -> None:
    code = "import sys, pruning.planning.forecast.predict; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
