"""Block OBS: the order of removal and its costs, against least squares and brute force."""

import itertools

import pytest
import torch

from pruning.engine.linalg.block_obs import Blocks, damped_inverse, removal_order, removal_steps
from pruning.engine.linalg.least_squares import compensate_columns
from pruning.errors import PruningError


def second_moment(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.T @ inputs / len(inputs)


def correlated(tokens: int, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(count, count, generator=generator)
    return torch.randn(tokens, count, generator=generator) @ mix


def cost(change: torch.Tensor, a: torch.Tensor, g: torch.Tensor) -> float:
    return 0.5 * float(((change @ a) * change).sum(1) @ g)


@pytest.mark.parametrize("size", [1, 2])
def test_the_first_to_go_costs_least_after_refitting_and_costs_are_those_of_the_change(size: int) -> None:
    x = correlated(300, 8)
    a, weight = second_moment(x), torch.randn(5, 8, generator=torch.Generator().manual_seed(3))
    g = torch.rand(5, generator=torch.Generator().manual_seed(4))
    order, costs = removal_order(weight, a, g, 3, Blocks(size, lambda _: range(8 // size)), damping=1e-7)

    def after(blocks: tuple[int, ...]) -> float:
        columns = [block * size + at for block in blocks for at in range(size)]
        return cost(weight - compensate_columns(weight, a, columns, damping=1e-7), a, g)

    assert after((order[0],)) == pytest.approx(min(after((block,)) for block in range(8 // size)), rel=1e-3)
    for count in (1, 2, 3):
        assert costs[count - 1] == pytest.approx(after(tuple(order[:count])), rel=1e-2)
    best = min(after(blocks) for blocks in itertools.combinations(range(8 // size), 3))
    assert costs[-1] >= best * 0.99


def test_each_step_has_the_weight_that_least_squares_gives() -> None:
    a, weight = (
        second_moment(correlated(300, 8)),
        torch.randn(5, 8, generator=torch.Generator().manual_seed(3)),
    )
    inverse = damped_inverse(a, 1e-7)
    before = weight.clone(), inverse.clone()
    gone: list[int] = []
    for taken, _, now in removal_steps(weight, inverse, torch.ones(5), 3, Blocks(2)):
        gone += [block * 2 + at for block in taken for at in range(2)]
        torch.testing.assert_close(
            now, compensate_columns(weight, a, gone, damping=1e-7), rtol=1e-3, atol=1e-4
        )
    assert len(gone) == 6
    assert torch.equal(weight, before[0])
    assert torch.equal(inverse, before[1])


def test_only_what_is_allowed_goes() -> None:
    x, weight = correlated(100, 8), torch.randn(4, 8)
    order, _ = removal_order(
        weight, second_moment(x), torch.ones(4), 2, Blocks(2, lambda pruned: [0, 1] if pruned else [3])
    )
    assert order[0] == 3
    assert order[1] in (0, 1)


def test_single_columns_are_pruned_several_at_a_time_and_the_weight_is_left_alone() -> None:
    x, weight = correlated(400, 30), torch.randn(6, 30, generator=torch.Generator().manual_seed(3))
    before = weight.clone()
    order, costs = removal_order(weight, second_moment(x), torch.ones(6), 20)
    assert torch.equal(weight, before)
    assert len(set(order)) == 20
    assert costs == sorted(costs)
    # The first of them is the one that is best alone.
    one_by_one = removal_order(weight, second_moment(x), torch.ones(6), 1, Blocks(1, lambda _: range(30)))[0]
    assert order[0] == one_by_one[0]


def test_inputs_that_are_not_finite_have_no_order() -> None:
    with pytest.raises(PruningError, match="not finite, so what goes cannot be made up for"):
        removal_order(torch.ones(2, 3), torch.full((3, 3), float("nan")), torch.ones(2), 1)
