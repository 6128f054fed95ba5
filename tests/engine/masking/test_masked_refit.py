"""Weights fitted under a mask: the least squares they claim to be, and nearer to the dense model."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.criteria import criterion
from pruning.engine.linalg.cholesky import damped
from pruning.engine.linalg.obs import DAMPING
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masked_refit import masked_least_squares, refit_masked
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models.load import fingerprint
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (64, 32), generator=torch.Generator().manual_seed(0))
UNSEEN = torch.randint(3, VOCABULARY, (16, 32), generator=torch.Generator().manual_seed(1))


def test_it_is_least_squares_row_by_row() -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(200, 8, generator=draw) @ torch.randn(8, 8, generator=draw)
    target = torch.randn(5, 8, generator=draw)
    gone = torch.rand(5, 8, generator=draw) < 0.5
    gone[3], gone[4] = True, False
    inputs = x.T @ x / len(x)
    found = masked_least_squares(target, inputs, gone, rounds=60)
    assert not found[gone].any()
    assert torch.equal(found[4], target[4])
    hessian = damped(inputs, DAMPING)
    for row in range(3):
        stays = ~gone[row]
        exact = torch.linalg.solve(hessian[stays][:, stays], hessian[stays] @ target[row])
        torch.testing.assert_close(found[row, stays], exact, rtol=1e-3, atol=1e-3)


def test_every_round_comes_nearer() -> None:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(100, 40, generator=draw) @ torch.randn(40, 40, generator=draw)
    target, gone = torch.randn(6, 40, generator=draw), torch.rand(6, 40, generator=draw) < 0.6
    inputs = x.T @ x / len(x)

    def left(rounds: int) -> float:
        off = target - masked_least_squares(target, inputs, gone, rounds)
        return float(((off @ damped(inputs, DAMPING)) * off).sum())

    costs = [left(rounds) for rounds in (0, 1, 2, 4, 8, 16)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.7 * costs[0]


def test_inputs_that_are_always_zero_do_no_harm() -> None:
    inputs = torch.diag(torch.tensor([1.0, 0.0, 2.0]))
    gone = torch.tensor([[True, False, False]])
    found = masked_least_squares(torch.tensor([[1.0, 2.0, 3.0]]), inputs, gone)
    assert found.tolist() == [[0.0, 2.0, 3.0]]
    assert not masked_least_squares(
        torch.ones(2, 3), torch.zeros(3, 3), torch.ones(2, 3, dtype=torch.bool)
    ).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_comes_nearer_to_the_dense_one(family: str) -> None:
    model: Any = tiny_model(family).eval().requires_grad_(False)
    groups, name = find_groups(model), fingerprint(model)
    plan = {(group.layer, group.kind): 0.5 for group in groups if group.kind != "up"}
    removed = plan_masks(model, groups, criterion("magnitude"), plan, criterion_inputs())
    weights = refit_masked(model, groups, removed, WINDOWS)
    assert fingerprint(model) == name
    assert not any(module._forward_hooks for module in model.modules())
    assert weights.keys() == removed.keys()
    assert not any(bool(weights[key][gone].any()) for key, gone in removed.items())
    dense, errors = run(model, UNSEEN), []
    for change in (WeightChange(removed), WeightChange(removed, weights)):
        with applied_change(model, groups, change):
            errors.append(float((run(model, UNSEEN) - dense).square().mean()))
    assert errors[1] < 0.8 * errors[0]
