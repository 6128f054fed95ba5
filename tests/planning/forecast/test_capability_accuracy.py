"""Questions answered right after pruning: hand-worked shares, a fit to measurements, an honest band."""

import math

import pytest

from pruning.engine.calibration.data import load_probes
from pruning.planning.forecast.capability_accuracy import (
    PRIOR_A,
    PRIOR_SPREAD,
    AccuracyCurve,
    Asked,
    accuracy_curves,
    asked,
    fit_curve,
    scatter,
    share_right,
)
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import BAND
from tests.planning.forecast.test_forecaster import make_table, uniform

FOUR = Asked(questions=44, chance=0.25)


def test_the_share_falls_from_the_dense_models_to_that_of_guessing() -> None:
    known = fit_curve(0.85, FOUR, [])
    assert (known.a, known.b, known.spread, known.measured) == (PRIOR_A, 1.0, PRIOR_SPREAD, 0)
    assert known.at(0.0) == 0.85
    # exp(-0.35 · 2) = 0.4966: about half of the 60 points above guessing are left.
    assert known.at(2.0) == pytest.approx(0.25 + 0.6 * 0.496585, abs=1e-6)
    assert known.at(50.0) == pytest.approx(0.25, abs=1e-6)
    # A model that does worse than guessing gets better as it is broken.
    assert fit_curve(0.1, FOUR, []).at(50.0) == pytest.approx(0.25, abs=1e-6)


def test_measured_plans_bend_the_curve() -> None:
    truth = AccuracyCurve(0.85, FOUR, 0.9, 0.6, 0.0, 0)
    points = [(kl, truth.at(kl)) for kl in (0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.8, 2.5, 4.0, 0.3, 0.6, 1.0)]
    known = fit_curve(0.85, FOUR, points)
    assert known.measured == 12
    for kl in (0.1, 0.5, 1.0, 3.0):
        assert known.at(kl) == pytest.approx(truth.at(kl), abs=0.05)
        assert abs(known.at(kl) - truth.at(kl)) < abs(fit_curve(0.85, FOUR, []).at(kl) - truth.at(kl))
    assert known.spread < PRIOR_SPREAD, "nothing was left unexplained"
    jumping = [(kl, share + (0.2 if index % 2 else -0.2)) for index, (kl, share) in enumerate(points)]
    assert fit_curve(0.85, FOUR, jumping).spread > 2 * PRIOR_SPREAD


def test_few_questions_scatter_as_dice_do() -> None:
    known = fit_curve(0.85, FOUR, [])
    assert scatter(known, 0.0) == 0, "the same answers to the same questions"
    # Where everything is guessed it is the binomial error of guessing, whatever the model knew.
    assert scatter(known, 1e6) == pytest.approx(math.sqrt(0.25 * 0.75 / 44))
    # Half changed: 85 % stay right with 1 - 0.5 · 0.75 = 0.625, 15 % come right with 0.5 · 0.25 = 0.125.
    half = math.log(2) / PRIOR_A
    expected = (0.85 * 0.625 * 0.375 + 0.15 * 0.125 * 0.875) / 44
    assert scatter(known, half) == pytest.approx(math.sqrt(expected))


def test_the_band_holds_the_kls_the_fits_and_the_questions() -> None:
    table = make_table()
    seen = Forecaster.prior(table).forecast(uniform(table, 0.5))
    known = fit_curve(0.85, FOUR, [])
    made = share_right(known, seen)
    assert made.value == known.at(seen.kl)
    own = BAND**2 * (PRIOR_SPREAD**2 + scatter(known, seen.kl) ** 2)
    assert made.low == pytest.approx(made.value - math.sqrt((made.value - known.at(seen.kl_high)) ** 2 + own))
    assert made.high == pytest.approx(made.value + math.sqrt((known.at(seen.kl_low) - made.value) ** 2 + own))
    nothing = share_right(known, Forecaster.prior(table).forecast({}))
    assert (nothing.low, nothing.value, nothing.high) == (0.85, 0.85, 0.85)
    crowd = share_right(fit_curve(0.85, Asked(44_000, 0.25), []), seen)
    assert crowd.high - crowd.low < made.high - made.low, "more questions, less luck"


def test_the_questions_are_those_that_models_are_asked() -> None:
    probes = load_probes()
    assert sum(one.questions for one in asked().values()) == len(probes)
    assert set(asked()) == {probe.capability for probe in probes}
    assert all(one.chance == pytest.approx(1 / 4) for one in asked().values())


def test_each_capability_learns_from_its_own_answers() -> None:
    dense = {"facts": 0.9, "grammar": 0.9, "poetry": 0.5}
    measured = [(0.5, {"facts": 0.4, "grammar": 0.9}), (1.0, {"facts": 0.3, "grammar": 0.88}), (2.0, {})]
    known = accuracy_curves(dense, measured)
    assert list(known) == ["facts", "grammar"], "nobody knows how many questions poetry has"
    assert known["facts"].at(1.0) < 0.6 < 0.75 < known["grammar"].at(1.0)
    assert known["facts"].measured == 2
