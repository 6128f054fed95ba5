"""Least squares for columns: against hand-worked examples and brute force."""

import itertools

import pytest
import torch

from pruning.engine.linalg.least_squares import compensate_columns, removal_order, shrunk_covariance
from pruning.errors import PruningError


def moments(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.T @ inputs / len(inputs)


def correlated(tokens: int, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(count, count, generator=generator)
    return torch.randn(tokens, count, generator=generator) @ mix


def cost(change: torch.Tensor, a: torch.Tensor, g: torch.Tensor) -> float:
    return 0.5 * float(((change @ a) * change).sum(1) @ g)


def test_the_twin_of_a_column_takes_over_its_weight() -> None:
    x = torch.tensor([[1.0, 1.0, 0.0], [-1.0, -1.0, 1.0], [2.0, 2.0, 1.0]])
    weight = torch.tensor([[3.0, 4.0, 5.0]])
    new = compensate_columns(weight, moments(x), [1], damping=1e-7)
    torch.testing.assert_close(new, torch.tensor([[7.0, 0.0, 5.0]]), atol=1e-3, rtol=1e-3)


def test_refit_is_the_least_squares_solution() -> None:
    x = correlated(200, 6)
    weight = torch.randn(3, 6)
    new = compensate_columns(weight, moments(x), [0, 4], damping=1e-9)
    kept = [1, 2, 3, 5]
    expected = torch.linalg.lstsq(x[:, kept], x @ weight.T).solution.T
    torch.testing.assert_close(new[:, kept], expected, atol=1e-3, rtol=1e-3)
    assert not new[:, [0, 4]].any()


def test_heavy_damping_leaves_the_weights_that_stay() -> None:
    x, weight = correlated(50, 4), torch.randn(2, 4)
    new = compensate_columns(weight, moments(x), [3], damping=1e6)
    torch.testing.assert_close(new[:, :3], weight[:, :3], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [1, 2])
def test_the_first_to_go_costs_least_after_refitting_and_costs_are_those_of_the_change(size: int) -> None:
    x = correlated(300, 8)
    a, weight = moments(x), torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    g = torch.rand(5, generator=torch.Generator().manual_seed(4))
    gone, costs = removal_order(weight, a, g, 3, size, allowed=lambda _: range(8 // size), damping=1e-7)

    def after(blocks: tuple[int, ...]) -> float:
        columns = [block * size + at for block in blocks for at in range(size)]
        return cost(weight - compensate_columns(weight, a, columns, damping=1e-7), a, g)

    assert after((gone[0],)) == pytest.approx(min(after((block,)) for block in range(8 // size)), rel=1e-3)
    for count in (1, 2, 3):
        assert costs[count - 1] == pytest.approx(after(tuple(gone[:count])), rel=1e-2)
    best = min(after(blocks) for blocks in itertools.combinations(range(8 // size), 3))
    assert costs[-1] >= best * 0.99


def test_only_what_is_allowed_goes() -> None:
    x, weight = correlated(100, 8), torch.randn(4, 8)
    gone, _ = removal_order(weight, moments(x), torch.ones(4), 2, 2, lambda gone: [3] if not gone else [0, 1])
    assert gone[0] == 3
    assert gone[1] in (0, 1)


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(PruningError, match="not finite"):
        compensate_columns(torch.ones(2, 3), torch.full((3, 3), float("nan")), [0])


def test_fewer_tokens_shrink_what_is_off_the_diagonal_more() -> None:
    a = torch.tensor([[2.0, 1.0], [1.0, 4.0]])
    torch.testing.assert_close(shrunk_covariance(a, 10), torch.tensor([[2.0, 0.7], [0.7, 4.0]]))
    torch.testing.assert_close(shrunk_covariance(a, 40), torch.tensor([[2.0, 0.9], [0.9, 4.0]]))
