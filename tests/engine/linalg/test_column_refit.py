"""The cost of refitted columns, against refitting them."""

import pytest
import torch

from pruning.engine.linalg.block_obs import removal_order
from pruning.engine.linalg.column_refit import column_order, refit_costs
from pruning.engine.linalg.least_squares import compensate_columns
from pruning.errors import PruningError
from tests.engine.linalg.test_block_obs import correlated, cost, second_moment

A = second_moment(correlated(300, 8))
WEIGHT = torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
G = torch.rand(5, generator=torch.Generator().manual_seed(4))


def test_every_number_of_columns_costs_what_the_refitted_weight_loses() -> None:
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    costs = refit_costs(WEIGHT, A, G, order, damping=1e-7)
    for count in range(1, 8):
        change = WEIGHT - compensate_columns(WEIGHT, A, order[:count], damping=1e-7)
        assert float(costs[count - 1]) == pytest.approx(cost(change, A, G), rel=1e-2)
    assert float(costs[-1]) == pytest.approx(cost(WEIGHT, A, G), rel=1e-3)


def test_the_first_of_the_order_is_the_one_that_costs_least() -> None:
    order = column_order(WEIGHT, A, G, damping=1e-7)
    assert sorted(order) == list(range(8))
    assert order[0] == removal_order(WEIGHT, A, G, 1, damping=1e-7)[0][0]
    alone = [float(refit_costs(WEIGHT, A, G, [c, *(o for o in range(8) if o != c)])[0]) for c in order]
    assert alone == sorted(alone)


def test_the_order_of_a_wide_matrix_is_that_of_its_inverse() -> None:
    generator = torch.Generator().manual_seed(5)
    x, weight = torch.randn(1500, 500, generator=generator), torch.randn(4, 500, generator=generator)
    inputs, outputs = x.T @ x / len(x), torch.rand(4, generator=generator)
    alone = (weight.square() * outputs.unsqueeze(1)).sum(0).double() / torch.linalg.inv(
        inputs.double()
    ).diagonal()
    order = column_order(weight, inputs, outputs, damping=1e-7)
    costs = alone[order]
    assert sorted(order) == list(range(500))
    assert bool((costs[1:] >= costs[:-1] * (1 - 1e-4)).all()), "ascending, but for rounding"


def test_inputs_that_are_not_finite_are_refused_and_nothing_is_changed() -> None:
    before = WEIGHT.clone(), A.clone()
    column_order(WEIGHT, A, G)
    refit_costs(WEIGHT, A, G, range(8))
    assert torch.equal(WEIGHT, before[0])
    assert torch.equal(A, before[1])
    with pytest.raises(PruningError, match="not finite"):
        refit_costs(WEIGHT, A * float("nan"), G, range(8))


def test_inputs_that_are_always_zero_cost_nothing() -> None:
    inputs = A.clone()
    inputs[2] = inputs[:, 2] = 0
    order = column_order(WEIGHT, inputs, G)
    assert float(refit_costs(WEIGHT, inputs, G, order)[-1]) > 0
    assert float(refit_costs(WEIGHT, inputs, G, [2, 0, 1, 3, 4, 5, 6, 7])[0]) < 1e-2
