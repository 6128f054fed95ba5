"""Trust in a forecast: whether costs add up, and whether a plan lies where others were measured."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.diagnostics import additivity, measured_additivity, one_by_one, reach
from pruning.planning.forecast.fit import KAPPA_SD, PRIOR_KAPPA
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import BAND, GROUP_SPREAD
from pruning.planning.forecast.sensitivity_map import SensitivityMap


def table() -> SensitivityMap:
    """Two groups whose single costs are told at one half and at one: 0.1 and 0.4, 0.3 and 1.2."""
    cost = np.array([[0.1, 0.4], [0.3, 1.2]])
    return SensitivityMap(
        model="m",
        fingerprint="f",
        criterion="fisher",
        data="demo",
        data_fingerprint="d",
        levels=(0.5, 1.0),
        groups=((0, "up"), (0, "down")),
        parameters=np.array([100, 100]),
        kronecker=cost,
        token=cost,
        dense={"perplexity": 30.0, "accuracy": 0.4, "bytes": 1e4, "parameters": 1e3, "weight_bytes": 4},
        seconds=1.0,
        dense_forwards=6.0,
    )


BOTH = {(0, "up"): 0.5, (0, "down"): 0.5}


def test_the_sum_is_of_single_costs_at_the_plans_levels() -> None:
    total, unsure = one_by_one(table(), BOTH)
    assert total == pytest.approx(PRIOR_KAPPA * (0.1 + 0.3))
    # The factor's own error, and those of two groups, of which one carries three quarters.
    assert unsure == pytest.approx(math.sqrt(KAPPA_SD**2 + GROUP_SPREAD**2 * (0.1**2 + 0.3**2) / 0.4**2))
    # Between the levels on a straight line in logs: cost goes with the level squared.
    between, _ = one_by_one(table(), {(0, "up"): 0.7})
    assert between == pytest.approx(PRIOR_KAPPA * 0.1 * (0.7 / 0.5) ** 2)
    assert one_by_one(table(), {}) == (0.0, 0.0)


def test_measured_single_groups_say_how_much_a_cost_is() -> None:
    # One group, measured at two levels, costs twice what the prior says; it counts once.
    singles = {(0, "up"): [(0.5, 0.1 * PRIOR_KAPPA * 2), (1.0, 0.4 * PRIOR_KAPPA * 2)]}
    trusted = GROUP_SPREAD**-2 / (KAPPA_SD**-2 + GROUP_SPREAD**-2)
    total, unsure = one_by_one(table(), BOTH, singles)
    assert total == pytest.approx(PRIOR_KAPPA * 0.4 * 2**trusted)
    assert unsure < one_by_one(table(), BOTH)[1]
    assert one_by_one(table(), BOTH, {(0, "up"): [(0.0, 0.1), (0.5, 0.0)]}) == one_by_one(table(), BOTH)


def test_a_plan_that_adds_up_is_at_one_and_a_measured_one_where_it_was_found() -> None:
    alone = one_by_one(table(), BOTH)
    seen = Forecaster.prior(table()).forecast(BOTH)
    told = additivity(seen, alone)
    assert told is not None
    assert told.times == pytest.approx(1.0), "at one half groups in a plan cost what they cost alone"
    assert told.explained
    assert told.low < 1 < told.high
    found = measured_additivity(1.8 * alone[0], alone)
    assert found is not None
    assert found.times == pytest.approx(1.8)
    assert found.low == pytest.approx(1.8 / math.exp(BAND * alone[1]))
    assert found.high / found.low < told.high / told.low, "what is measured is surer"
    assert found.alone == alone[0]
    worse = measured_additivity(9 * alone[0], alone)
    assert worse is not None
    assert not worse.explained
    assert additivity(Forecaster.prior(table()).forecast({}), one_by_one(table(), {})) is None
    assert measured_additivity(0.5, (0.0, 0.0)) is None


def test_what_plans_taught_moves_the_meter_and_not_the_sum() -> None:
    taught = Forecaster.fitted(table(), [(BOTH, 1.2), ({(0, "up"): 0.7}, 0.5)]).fit
    told = additivity(Forecaster(table(), taught).forecast(BOTH), one_by_one(table(), BOTH))
    assert told is not None
    assert told.alone == pytest.approx(PRIOR_KAPPA * 0.4)
    assert told.times > 1.5, "1.2 was measured where 0.5 would be the sum"


def test_a_plan_is_within_or_beyond_what_was_measured() -> None:
    small, middle, large = (dict.fromkeys(BOTH, level) for level in (0.3, 0.5, 0.8))
    known = Forecaster.fitted(
        table(),
        [
            (middle, Forecaster.prior(table()).forecast(middle).kl),
            (large, Forecaster.prior(table()).forecast(large).kl),
        ],
    ).fit
    places = [
        reach(Forecaster(table(), known), plan) for plan in (small, middle, large, dict.fromkeys(BOTH, 0.9))
    ]
    assert [place.beyond for place in places if place] == [-1, 0, 0, 1]
    here = reach(Forecaster(table(), known), middle)
    assert here is not None
    assert here.kl == pytest.approx(here.least)
    assert here.least == pytest.approx(Forecaster(table(), known).forecast(middle).kl)
    assert here.most == pytest.approx(Forecaster(table(), known).forecast(large).kl)
    assert reach(Forecaster(table(), known), {}) is None
    assert reach(Forecaster(table(), replace(known, measured=0)), middle) is None


def test_the_band_widens_beyond_what_was_measured() -> None:
    known = Forecaster.fitted(
        table(), [(plan, Forecaster.prior(table()).forecast(plan).kl) for plan in calibration_plans(table())]
    ).fit

    def width(level: float) -> float:
        seen = Forecaster(table(), known).forecast(dict.fromkeys(BOTH, level))
        return seen.kl_high / seen.kl

    inside, outside = 0.6, 0.06
    assert (place := reach(Forecaster(table(), known), dict.fromkeys(BOTH, inside))) is not None
    assert place.beyond == 0
    assert (place := reach(Forecaster(table(), known), dict.fromkeys(BOTH, outside))) is not None
    assert place.beyond == -1
    assert width(outside) > width(inside)
