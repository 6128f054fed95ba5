"""The front of plans that the usual format can hold."""

from pruning.benchmarks.synthetic import with_units
from pruning.planning.allocation.even_plans import MOST_LAYERS, even_front
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import LAYERS, check_together
from tests.support import synthetic
from tests.support.parts import PARTS


def test_no_plan_of_the_front_is_both_larger_and_worse_than_another() -> None:
    forecaster = Forecaster.prior(with_units(synthetic.sensitivity_map(layers=2)))
    front = even_front(forecaster, PARTS)
    sizes = [plan_cost(PARTS, plan).file_bytes for plan in front]
    kls = [forecaster.forecast(plan).kl for plan in front]
    assert len(front) > 3
    assert sizes == sorted(set(sizes), reverse=True)
    assert kls == sorted(set(kls))
    for plan in front:
        check_together(plan)
        stay = [layer for layer in PARTS.layers if (layer, LAYERS) not in plan]
        for kind in {kind for _, kind in plan} - {LAYERS}:
            assert len({plan.get((layer, kind)) for layer in stay}) == 1, "as many in every layer"
        assert sum(kind == LAYERS for _, kind in plan) <= min(MOST_LAYERS, 1)


def test_a_map_without_units_has_no_such_plans() -> None:
    assert even_front(Forecaster.prior(synthetic.sensitivity_map(layers=2)), PARTS) == []
