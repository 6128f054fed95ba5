"""Least squares on second moments: against hand-worked examples, and the exact solution."""

import pytest
import torch

from pruning.engine.linalg import obs
from pruning.engine.linalg.cholesky import damped
from pruning.engine.linalg.least_squares import (
    compensate_columns,
    corrected_target,
    masked_least_squares,
    mean_product,
    moments,
    shrunk_covariance,
)
from pruning.errors import PruningError


def second_moment(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.T @ inputs / len(inputs)


def correlated(tokens: int, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(count, count, generator=generator)
    return torch.randn(tokens, count, generator=generator) @ mix


def test_the_twin_of_a_column_takes_over_its_weight() -> None:
    x = torch.tensor([[1.0, 1.0, 0.0], [-1.0, -1.0, 1.0], [2.0, 2.0, 1.0]])
    weight = torch.tensor([[3.0, 4.0, 5.0]])
    new = compensate_columns(weight, second_moment(x), [1], damping=1e-7)
    torch.testing.assert_close(new, torch.tensor([[7.0, 0.0, 5.0]]), atol=1e-3, rtol=1e-3)


def test_refit_is_the_least_squares_solution() -> None:
    x = correlated(200, 6)
    weight = torch.randn(3, 6)
    new = compensate_columns(weight, second_moment(x), [0, 4], damping=1e-9)
    kept = [1, 2, 3, 5]
    expected = torch.linalg.lstsq(x[:, kept], x @ weight.T).solution.T
    torch.testing.assert_close(new[:, kept], expected, atol=1e-3, rtol=1e-3)
    assert not new[:, [0, 4]].any()


def test_heavy_damping_leaves_the_weights_that_stay() -> None:
    x, weight = correlated(50, 4), torch.randn(2, 4)
    new = compensate_columns(weight, second_moment(x), [3], damping=1e6)
    torch.testing.assert_close(new[:, :3], weight[:, :3], atol=1e-3, rtol=1e-3)


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(PruningError, match="not finite"):
        compensate_columns(torch.ones(2, 3), torch.full((3, 3), float("nan")), [0])


def test_fewer_tokens_shrink_what_is_off_the_diagonal_more() -> None:
    a = torch.tensor([[2.0, 1.0], [1.0, 4.0]])
    torch.testing.assert_close(shrunk_covariance(a, 10), torch.tensor([[2.0, 0.7], [0.7, 4.0]]))
    torch.testing.assert_close(shrunk_covariance(a, 40), torch.tensor([[2.0, 0.9], [0.9, 4.0]]))


def test_masked_least_squares_is_exact_row_by_row() -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(200, 8, generator=draw) @ torch.randn(8, 8, generator=draw)
    target = torch.randn(5, 8, generator=draw)
    pruned = torch.rand(5, 8, generator=draw) < 0.5
    pruned[3], pruned[4] = True, False
    inputs = x.T @ x / len(x)
    weight = masked_least_squares(target, inputs, pruned, rounds=60)
    assert not weight[pruned].any()
    assert torch.equal(weight[4], target[4])
    hessian = damped(inputs, obs.DAMPING)
    for row in range(3):
        kept = ~pruned[row]
        exact = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ target[row])
        torch.testing.assert_close(weight[row, kept], exact, rtol=1e-3, atol=1e-3)


def test_every_round_of_masked_least_squares_comes_nearer() -> None:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(100, 40, generator=draw) @ torch.randn(40, 40, generator=draw)
    target, pruned = torch.randn(6, 40, generator=draw), torch.rand(6, 40, generator=draw) < 0.6
    inputs = x.T @ x / len(x)

    def left(rounds: int) -> float:
        off = target - masked_least_squares(target, inputs, pruned, rounds)
        return float(((off @ damped(inputs, obs.DAMPING)) * off).sum())

    costs = [left(rounds) for rounds in (0, 1, 2, 4, 8, 16)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.7 * costs[0]


def test_inputs_that_are_always_zero_do_masked_least_squares_no_harm() -> None:
    inputs = torch.diag(torch.tensor([1.0, 0.0, 2.0]))
    pruned = torch.tensor([[True, False, False]])
    weight = masked_least_squares(torch.tensor([[1.0, 2.0, 3.0]]), inputs, pruned)
    assert weight.tolist() == [[0.0, 2.0, 3.0]]
    assert not masked_least_squares(
        torch.ones(2, 3), torch.zeros(3, 3), torch.ones(2, 3, dtype=torch.bool)
    ).any()


def test_the_corrected_target_puts_out_what_the_dense_weight_does() -> None:
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(1))
    mix = torch.eye(6) + 0.1 * torch.randn(6, 6, generator=torch.Generator().manual_seed(2))
    weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    drifted = x @ mix
    inputs, shifts = moments([x[:200], x[200:]], [drifted[:200], drifted[200:]])
    torch.testing.assert_close(inputs, drifted.T @ drifted / 500, rtol=1e-4, atol=1e-5)
    moved = corrected_target(weight, inputs, weight @ shifts)
    before, after = ((drifted @ w.T - x @ weight.T).square().mean() for w in (weight, moved))
    assert after < 0.05 * before
    assert torch.equal(corrected_target(weight, inputs, torch.zeros(3, 6)), weight)
    assert torch.equal(corrected_target(weight, torch.zeros(6, 6), torch.zeros(3, 6)), weight)


def test_mean_product_is_over_all_tokens() -> None:
    left, right = torch.randn(10, 3), torch.randn(10, 2)
    product = mean_product([left[:4], left[4:]], [right[:4], right[4:]])
    torch.testing.assert_close(product, left.T @ right / 10)
