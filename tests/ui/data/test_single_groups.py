"""What every group would cost alone: forecasts beside measured points, in words and as a table."""

from dataclasses import replace

import pytest

from pruning.planning.forecast.fit import PRIOR_KAPPA
from pruning.planning.forecast.forecaster import Forecaster
from pruning.ui.data import single_groups
from tests.support import synthetic

TABLE = synthetic.sensitivity_map(layers=3)
SEEN = replace(Forecaster.prior(TABLE).forecast({(0, "up"): 0.5}), kl=0.1, kl_low=0.06, kl_high=0.17)


@pytest.mark.parametrize(
    ("kl", "said"),
    [
        (0.104, "as forecast"),
        (0.15, "50 % above its forecast, inside the band"),
        (0.07, "30 % below its forecast, inside the band"),
        (0.36, "3.6 times its forecast, outside the band: trust the measurement"),
        (0.03, "70 % below its forecast, outside the band: trust the measurement"),
        (0.0, "100 % below its forecast, outside the band: trust the measurement"),
    ],
)
def test_a_measurement_beside_its_forecast_in_plain_words(kl: float, said: str) -> None:
    assert single_groups.beside(SEEN, kl) == said


def test_two_tiny_costs_are_not_compared() -> None:
    assert single_groups.beside(replace(SEEN, kl=0.0002), 0.0006) == "next to nothing, as forecast"


def test_alone_is_the_forecast_of_each_group_by_itself() -> None:
    single = single_groups.alone(Forecaster.prior(TABLE))
    assert len(single) == 15 * 10
    cost = TABLE.cost[TABLE.groups.index((2, "down")), TABLE.levels.index(0.7)]
    assert single[(2, "down"), 0.7].kl == pytest.approx(PRIOR_KAPPA * cost)
    assert single[(2, "down"), 0.0].kl == 0


def test_the_table_has_every_group_and_level_and_what_was_measured() -> None:
    points = {(1, "gate"): [{"level": 0.3, "kl": 0.01, "perplexity": 34.0}]}
    frame = single_groups.frame(TABLE, single_groups.alone(Forecaster.prior(TABLE)), points)
    assert tuple(frame.columns) == single_groups.COLUMNS
    assert len(frame) == 15 * 9
    [row] = frame[frame["measured_kl_nats_per_token"].notna()].to_dict("records")
    assert (row["layer"], row["group"], row["level_percent"]) == (1, "gate", 30)
    assert row["forecast_kl_nats_per_token"] == pytest.approx(
        PRIOR_KAPPA * TABLE.cost[TABLE.groups.index((1, "gate")), TABLE.levels.index(0.3)]
    )
    assert (frame["estimators_apart_factor"] >= 1).all()
    assert frame["estimators_apart_factor"].max() == pytest.approx(TABLE.disagreement.max())


def test_a_point_at_a_level_that_the_map_lacks_is_a_row_without_forecast() -> None:
    points = {(1, "gate"): [{"level": 0.55, "kl": 0.02, "perplexity": 34.0}]}
    frame = single_groups.frame(TABLE, single_groups.alone(Forecaster.prior(TABLE)), points)
    [row] = frame[frame["level_percent"] == 55].to_dict("records")
    assert row["measured_kl_nats_per_token"] == 0.02
    assert row["forecast_kl_nats_per_token"] != row["forecast_kl_nats_per_token"], (
        "not a number: there is none"
    )
