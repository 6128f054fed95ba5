"""The Recover page's charts."""

import pytest

from pruning.planning.recipe.schedules import SCHEDULES
from pruning.planning.recipe.training import Training
from pruning.ui.recover import charts as recover_charts


def test_the_picture_of_a_schedule_ends_at_the_plan() -> None:
    plan, sizes = {(0, "up"): 0.5, (1, "up"): 0.9}, {(0, "up"): 300, (1, "up"): 100}
    for schedule in SCHEDULES:
        shares = recover_charts.pruned_by_step(
            Training(steps=10, warmup=0, schedule=schedule, prune_every=2), plan, sizes
        )
        assert len(shares) == 11
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(0.6)
        assert (shares[0] == 0) == (schedule != "one_shot")
        assert shares[5] == pytest.approx(0.6), "half of the steps take all of it"
