"""Forecasts of plans that mix whole units and single weights, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pruning.benchmarks.synthetic import SIZES, UNPRUNED, WIDTH, sensitivity_map, with_units
from pruning.errors import PruningError
from pruning.planning.forecast.diagnostics import layer_set
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, Plan

WEIGHTS = sensitivity_map(layers=4)
MIXED = with_units(WEIGHTS)
LAYER = sum(SIZES.values())


def costs(smap: SensitivityMap, plan: Plan) -> dict:
    return dict(zip(smap.groups, Forecaster.plain(smap).costs(plan).tolist(), strict=True))


def test_weights_alone_are_forecast_as_by_a_map_of_weights() -> None:
    plan = {(0, "up"): 0.5, (1, "qkv"): 0.3, (3, "down"): 0.7}
    for measured in ([], [(plan, 0.4)], [(plan, 0.4), ({(2, "gate"): 0.6}, 0.02)]):
        ours, theirs = (Forecaster.fitted(smap, measured).forecast(plan) for smap in (MIXED, WEIGHTS))
        for name in ("kl", "kl_low", "kl_high", "perplexity_high", "sparsity", "bytes", "file_bytes"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12), name


def test_a_weight_beside_units_costs_its_share_of_what_stays() -> None:
    alone = costs(MIXED, {(1, "down"): 0.5})
    beside = costs(MIXED, {(1, "down"): 0.5, (1, "neurons"): 0.25})
    assert beside[1, "down"] == pytest.approx(0.75 * alone[1, "down"])
    assert beside[1, "neurons"] == pytest.approx(costs(MIXED, {(1, "neurons"): 0.25})[1, "neurons"])
    assert costs(MIXED, {(2, "down"): 0.5, (1, "neurons"): 0.25})[2, "down"] == pytest.approx(
        costs(MIXED, {(2, "down"): 0.5})[2, "down"]
    )


def test_a_layer_costs_what_the_map_says_at_whatever_level() -> None:
    row = MIXED.groups.index((1, "layers"))
    assert costs(MIXED, {(1, "layers"): 1.0})[1, "layers"] == pytest.approx(MIXED.kronecker[row, 0])


def test_units_are_cut_out_and_zeros_are_not() -> None:
    plan = {(1, "neurons"): 0.25, (1, "down"): 0.5, (2, "heads"): 1 / 3, (3, "layers"): 1.0}
    made, dense = Forecaster.prior(MIXED).forecast(plan), MIXED.dense
    neurons, heads = 0.25 * 3 * SIZES["up"], 2 * SIZES["attn_out"] / 3
    cut = neurons + heads + LAYER + 2 * WIDTH
    zeros = 0.5 * 0.75 * SIZES["down"]
    assert made.file_bytes == pytest.approx(dense["bytes"] - 4 * cut, abs=1)
    marks = 0.75 * SIZES["down"] / 8
    assert made.bytes == pytest.approx(dense["bytes"] - 4 * (cut + zeros) + marks, abs=1)
    assert made.sparsity == pytest.approx((neurons + heads + LAYER + zeros) / (4 * LAYER))
    assert made.parameters == pytest.approx(4 * LAYER + UNPRUNED - cut - zeros, abs=1)


def test_levels_of_units_count_as_whole_units() -> None:
    forecaster = Forecaster.prior(MIXED)
    two = forecaster.forecast({(1, "heads"): 2 / 9})
    assert forecaster.forecast({(1, "heads"): 0.2}) == two
    assert forecaster.forecast({(1, "heads"): 0.01}).kl == 0


def test_every_group_alone_is_forecast() -> None:
    alone = Forecaster.prior(MIXED).forecast_alone()
    for group in ((1, "neurons"), (1, "heads"), (1, "layers")):
        seen = [alone[group, level] for level in (0.0, *MIXED.levels)]
        assert seen[0].kl == 0.0
        assert all(one.kl > 0 for one in seen[1:])
    for group, level in (((1, "neurons"), 0.5), ((2, "down"), 0.3)):
        true, seen = Forecaster.prior(MIXED).forecast({group: level}), alone[group, level]
        assert (seen.bytes, seen.file_bytes, seen.parameters) == (
            true.bytes,
            true.file_bytes,
            true.parameters,
        )
        assert seen.sparsity == pytest.approx(true.sparsity)
    assert (
        alone[(1, "layers"), 0.5].parameters
        == Forecaster.prior(MIXED).forecast({(1, "layers"): 1.0}).parameters
    )
    assert alone[(1, "layers"), 0.5].file_bytes == pytest.approx(
        MIXED.dense["bytes"] - 4 * (LAYER + 2 * WIDTH), abs=1
    )


def test_parts_of_a_map_are_maps() -> None:
    assert MIXED.of_weights.to_dict() == WEIGHTS.to_dict()
    assert WEIGHTS.of_weights is WEIGHTS
    heads = MIXED.of_units("heads")
    assert heads.groups == tuple((layer, "heads") for layer in range(4))
    assert heads.structure == "heads"
    assert heads.unit_totals == {"heads": dict.fromkeys(range(4), 9)}
    made = Forecaster.prior(heads).forecast({(0, "heads"): 1 / 3})
    assert made.file_bytes == made.bytes < MIXED.dense["bytes"]
    assert made.kl == pytest.approx(Forecaster.prior(MIXED).forecast({(0, "heads"): 1 / 3}).kl)
    with pytest.raises(PruningError, match="does not price neurons"):
        WEIGHTS.of_units("neurons")


def test_a_map_with_units_survives_a_file_and_one_of_before_opens() -> None:
    again = SensitivityMap.from_dict(MIXED.to_dict())
    assert again.to_dict() == MIXED.to_dict()
    assert again.unit_totals["heads"][3] == 9
    old = {name: value for name, value in WEIGHTS.to_dict().items() if name != "unit_totals"}
    assert SensitivityMap.from_dict(old).to_dict() == WEIGHTS.to_dict()


def test_a_fit_learns_what_units_cost() -> None:
    truth = Forecaster.prior(MIXED)
    truth = Forecaster(MIXED, replace(truth.fit, weights={**truth.fit.weights, "neurons": 2.0, "heads": 0.6}))
    plans = [
        {(layer, kind): level for layer in range(4) for kind in kinds}
        for kinds, level in ((("neurons",), 0.3), (("heads",), 0.4), (KINDS, 0.4), (("neurons", "down"), 0.2))
    ]
    learned = Forecaster.fitted(MIXED, [(plan, truth.forecast(plan).kl) for plan in plans])
    assert learned.fit.weights["neurons"] > 1.2 > 0.9 > learned.fit.weights["heads"]
    plan = {(layer, kind): 0.25 for layer in range(4) for kind in ("neurons", "heads", "gate")}
    off = [
        abs(np.log(made.forecast(plan).kl / truth.forecast(plan).kl))
        for made in (learned, Forecaster.prior(MIXED))
    ]
    assert off[0] < 0.5 * off[1]


def test_the_band_widens_where_layers_lean_on_each_other_and_says_so() -> None:
    smap = with_units(sensitivity_map(layers=12))
    forecaster = Forecaster.prior(smap)

    def width(*layers: int) -> float:
        made = forecaster.forecast({(layer, "layers"): 1.0 for layer in layers})
        return float(np.log(made.kl_high / made.kl))

    # What layers 5 and 7 cost is what 5 and 6 cost, near enough; only that they are neighbours differs.
    assert width(5, 6) > width(5, 7) > width(5, 6, 7, 8) * 0.8
    weights = {(layer, kind): 0.5 for layer in range(12) for kind in KINDS}
    assert layer_set(forecaster, weights) is None
    one, pair, far, many = (
        layer_set(forecaster, {(layer, "layers"): 1.0 for layer in layers})
        for layers in ((5,), (5, 6), (3, 7), (3, 5, 7))
    )
    assert [found.weak for found in (one, pair, far, many)] == [False, True, False, True]
    assert (pair.layers, pair.neighbours, pair.share) == ((5, 6), 1, pytest.approx(1))
    beside = layer_set(
        forecaster, {(5, "layers"): 1.0, (6, "layers"): 1.0, **{g: 0.9 for g in weights if g[0] < 5}}
    )
    assert beside.share < 0.25
    assert not beside.weak
