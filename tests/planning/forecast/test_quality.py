"""Perplexity, agreement and accuracy at a KL: relations that measured plans move, each with its band."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.quality import PRIOR, Relation, fit_quality
from tests.support import synthetic

DENSE = {"perplexity": 45.4, "accuracy": 0.4}
RELATIONS = [PRIOR.loss, PRIOR.agreement, PRIOR.accuracy]


def measured(
    kl: float, loss: float = 0.87, agreement: float = 0.72, accuracy: float = 0.35
) -> dict[str, float]:
    """What a plan of this KL measures where the relations have these factors."""
    return {
        "kl": kl,
        "perplexity": DENSE["perplexity"] * math.exp(loss * kl**1.1),
        "agreement": math.exp(-agreement * kl**0.55),
        "accuracy": DENSE["accuracy"] * math.exp(-accuracy * kl),
    }


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_rises_with_kl_from_nothing_and_stays_inside_its_band(relation: Relation) -> None:
    assert relation.at(0.0) == 0.0
    assert relation.band_at(0.0, 0.2, 1.28) == (0.0, 0.0)
    kls = np.geomspace(0.01, 5, 20)
    values = [relation.at(kl) for kl in kls]
    assert (np.diff(values) > 0).all()
    for kl, value in zip(kls, values, strict=True):
        low, high = relation.band_at(kl, 0.2, 1.28)
        assert low < value < high
        wider_low, wider_high = relation.band_at(kl, 0.4, 1.28)
        assert wider_low < low
        assert wider_high > high


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_band_holds_eight_of_ten_of_what_it_describes(relation: Relation) -> None:
    rng = np.random.default_rng(0)
    kl, inside = 0.4, 0
    for _ in range(2000):
        true_kl = kl * math.exp(0.15 * rng.normal())
        y = replace(relation, theta=relation.theta + relation.sd * rng.normal()).at(true_kl)
        y = y * math.exp(relation.spread * rng.normal()) + relation.noise * math.sqrt(kl) * rng.normal()
        low, high = relation.band_at(kl, 0.15, 1.2816)
        inside += low <= y <= high
    assert 0.77 < inside / 2000 < 0.84


def test_measured_plans_move_each_factor() -> None:
    rows = [measured(kl, loss=0.5, agreement=0.6, accuracy=0.6) for kl in (0.1, 0.2, 0.4, 0.8, 1.2, 2.0)]
    fit = fit_quality(DENSE, rows)
    assert math.exp(fit.loss.theta) == pytest.approx(0.5, rel=0.1)
    assert math.exp(fit.agreement.theta) == pytest.approx(0.6, rel=0.05)
    assert math.exp(fit.accuracy.theta) == pytest.approx(0.6, rel=0.1)
    for relation, prior in zip((fit.loss, fit.agreement, fit.accuracy), RELATIONS, strict=True):
        assert relation.measured == len(rows)
        assert relation.sd < prior.sd


def test_after_one_measurement_its_perplexity_is_forecast_nearer() -> None:
    row = measured(0.2, loss=1.2)
    fit = fit_quality(DENSE, [row])
    truth = math.log(row["perplexity"] / DENSE["perplexity"])
    assert abs(fit.loss.at(0.2) - truth) < 0.3 * abs(PRIOR.loss.at(0.2) - truth)


def test_without_measurements_it_is_the_prior() -> None:
    assert fit_quality(DENSE, []) == PRIOR
    assert fit_quality(DENSE, [{"kl": 0.0, "perplexity": 45.4}]) == PRIOR


def test_a_figure_that_was_not_measured_or_is_infinite_moves_nothing() -> None:
    fit = fit_quality(DENSE, [{"kl": 0.5, "agreement": 0.5, "perplexity": math.inf}])
    assert fit.loss == PRIOR.loss
    assert fit.accuracy == PRIOR.accuracy
    assert fit.agreement != PRIOR.agreement


def test_a_perplexity_below_the_dense_one_does_not_break_the_fit() -> None:
    """Chance alone can lower the perplexity of a plan that changes nearly nothing."""
    fit = fit_quality(DENSE, [{"kl": 0.002, "perplexity": 45.2}, measured(0.4)])
    assert fit.loss.at(0.4) == pytest.approx(PRIOR.loss.at(0.4), rel=0.1)


def test_plans_far_off_the_relation_widen_the_band() -> None:
    near = [measured(kl) for kl in (0.1, 0.2, 0.4, 0.8)]
    off = [
        {**row, "agreement": row["agreement"] ** factor}
        for row, factor in zip(near, (2, 0.5, 2, 0.5), strict=True)
    ]
    assert fit_quality(DENSE, off).agreement.spread > 2 * fit_quality(DENSE, near).agreement.spread


def test_the_forecaster_takes_the_fit_of_what_was_measured() -> None:
    smap = synthetic.sensitivity_map()
    plan = dict.fromkeys(smap.groups, 0.25)
    kl = Forecaster.prior(smap).forecast(plan).kl
    perplexity = smap.dense["perplexity"] * math.exp(1.3 * kl**1.1)
    row = {"kl": kl, "perplexity": perplexity}
    before, after = (Forecaster.fitted(smap, [(plan, kl)], rows).forecast(plan) for rows in ([], [row]))
    assert abs(after.perplexity - perplexity) < 0.3 * abs(before.perplexity - perplexity)
    assert after.perplexity_low < after.perplexity < after.perplexity_high
