"""Optimal Brain Surgeon on one matrix: exact where it can be, and better than doing nothing."""

import pytest
import torch

from pruning.engine.linalg import obs
from pruning.engine.linalg.cholesky import damped
from pruning.engine.masking.masks import pattern_mask, removed
from pruning.errors import PruningError


def _inputs(tokens: int = 400, inner: int = 24, seed: int = 0) -> torch.Tensor:
    """Inputs that depend on one another, so that weights can stand in for others."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(inner) + 0.5 * torch.randn(inner, inner, generator=generator)
    return torch.randn(tokens, inner, generator=generator) @ mix


def _half(scores: torch.Tensor) -> torch.Tensor:
    return removed(scores, 0.5, "group")


def test_two_inputs_by_hand() -> None:
    # H = [[2, 1], [1, 1]], H⁻¹ = [[1, -1], [-1, 2]]. Removing w₀ = 1 costs 1² / 1, and w₁ takes over
    # -1 / 1 · (-1) = 1: 3 becomes 4. Removing w₁ would cost 3² / 1 once w₀ is settled.
    hessian, weight = torch.tensor([[2.0, 1.0], [1.0, 1.0]]), torch.tensor([[1.0, 3.0]])
    new, pruned = obs.obs_prune(weight, hessian, _half, step=2, damping=0.0)
    assert pruned.tolist() == [[True, False]]
    torch.testing.assert_close(new, torch.tensor([[0.0, 4.0]]))
    assert weight.tolist() == [[1.0, 3.0]]


def test_scores_are_what_is_chosen_by_before_anything_has_changed() -> None:
    # As above: 1² / 1 for w₀, and 3² / 1 for w₁ once w₀ is settled.
    hessian, weight = torch.tensor([[2.0, 1.0], [1.0, 1.0]]), torch.tensor([[1.0, 3.0]])
    torch.testing.assert_close(obs.obs_scores(weight, hessian, damping=0.0), torch.tensor([[1.0, 9.0]]))


def test_the_last_columns_take_over_what_least_squares_gives_them() -> None:
    # With the first half of the columns removed the others must be the exact least-squares answer.
    x, weight = _inputs(), torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    hessian = x.T @ x

    def first_half(scores: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros_like(scores, dtype=torch.bool)
        mask[:, :12] = True
        return mask

    new, _ = obs.obs_prune(weight, hessian, first_half, step=24, damping=0.0)
    expected = torch.linalg.lstsq(x[:, 12:], x @ weight.T).solution.T
    torch.testing.assert_close(new[:, 12:], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("inner", "step"), [(24, 128), (200, 128), (200, 4), (130, 5)])
def test_update_beats_the_mask_alone(inner: int, step: int) -> None:
    x = _inputs(600, inner)
    weight = torch.randn(16, inner, generator=torch.Generator().manual_seed(1))
    new, pruned = obs.obs_prune(weight, x.T @ x, _half, step)
    assert not new[pruned].any()
    for first in range(0, inner, step):
        part = pruned[:, first : first + step]
        assert int(part.sum()) == round(0.5 * part.numel())
    error = (x @ (new - weight).T).square().mean()
    assert error < 0.7 * (x @ (weight.masked_fill(pruned, 0) - weight).T).square().mean()


def test_two_of_every_four_stay() -> None:
    x, weight = _inputs(300, 30), torch.randn(7, 30, generator=torch.Generator().manual_seed(1))
    new, pruned = obs.obs_prune(weight, x.T @ x, lambda scores: pattern_mask(scores, 2, 4), 4)
    assert ((new[:, :28] == 0).unflatten(1, (-1, 4)).sum(-1) == 2).all()
    assert not pruned[:, 28:].any()


def test_dead_inputs_lose_their_weights_and_disturb_nobody() -> None:
    x, weight = _inputs(300, 12), torch.randn(4, 12, generator=torch.Generator().manual_seed(1))
    wide = torch.zeros(300, 15)
    wide[:, :12] = x
    more = torch.cat([weight, torch.full((4, 3), 9.0)], dim=1)
    # Three columns at a time, so that the dead ones are a choice of their own.
    new, _ = obs.obs_prune(more, wide.T @ wide, _half, 3, damping=0.0)
    assert not new[:, 12:].any()
    torch.testing.assert_close(new[:, :12], obs.obs_prune(weight, x.T @ x, _half, 3, damping=0.0)[0])


def test_too_few_tokens_are_damped_and_numbers_that_are_none_refused() -> None:
    x = _inputs(5, 24)
    factor = obs.inverse_factor(x.T @ x, 0.01)
    assert factor.isfinite().all()
    hessian = damped(x.T @ x, 0.01)
    torch.testing.assert_close(factor.T @ factor @ hessian, torch.eye(24), rtol=1e-2, atol=1e-2)
    with pytest.raises(PruningError, match="not finite"):
        obs.inverse_factor(torch.full((3, 3), torch.nan), 0.01)
