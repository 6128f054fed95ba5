"""A plan made better keeps its saving and its locks, and is forecast to do less damage."""

import pytest

from pruning.errors import PruningError
from pruning.planning.allocation.mixed.improve import improve
from pruning.planning.recipe.plan import check_together
from tests.support.mixed import forecaster, machine

LAYERS = 8
UNITS = {(layer, "neurons"): 0.25 for layer in range(LAYERS)}
WEIGHTS = {(layer, kind): 0.4 for layer in range(LAYERS) for kind in ("qkv", "up", "down")}


@pytest.mark.parametrize("keep", ["size", "decode", "prefill"])
def test_the_saving_stays_and_the_damage_falls(keep) -> None:
    fit, here = forecaster(LAYERS), machine(LAYERS)
    plan = {**UNITS, **WEIGHTS}
    better = improve(plan, fit, here, {}, keep)
    check_together(better.plan)
    assert better.found
    assert better.after.kl == pytest.approx(fit.forecast(better.plan).kl)
    assert better.after.kl < better.before.kl
    assert better.saved == pytest.approx(1 - better.after.kl / better.before.kl)
    before, after = here.cost(plan), here.cost(better.plan)
    if keep == "size":
        assert after.file_bytes <= before.file_bytes * 1.00001
        assert after.compact_bytes <= before.compact_bytes * 1.00001
    elif keep == "decode":
        assert after.decode_speedup >= before.decode_speedup * 0.99999
    else:
        assert after.prefill_speedup >= before.prefill_speedup * 0.99999


def test_locks_stay_and_an_improved_plan_is_hardly_improved_again() -> None:
    fit, here = forecaster(LAYERS), machine(LAYERS)
    locks = {(layer, "neurons"): 0.25 for layer in (0, 1)} | {(3, "down"): 0.4}
    better = improve({**UNITS, **WEIGHTS}, fit, here, locks)
    assert all(better.plan[group] == level for group, level in locks.items())
    again = improve(better.plan, fit, here, locks)
    assert again.after.kl >= 0.97 * better.after.kl


def test_what_cannot_be_better_stays() -> None:
    fit, here = forecaster(LAYERS), machine(LAYERS)
    everything = {group: 0.0 for group in fit.smap.groups if group[1] != "layers"}
    plan = {**UNITS}
    held = improve(plan, fit, here, {**everything, **plan})
    assert not held.found
    assert held.plan == plan
    assert held.saved == 0
    with pytest.raises(PruningError, match="prunes nothing"):
        improve({}, fit, here, {})
