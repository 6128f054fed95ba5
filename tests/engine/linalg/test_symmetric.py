"""Halves of symmetric matrices: sums of products, and second moments in sixteen bits."""

import pytest
import torch

from pruning.engine.linalg.symmetric import (
    add_product,
    correlations,
    half_length,
    half_of,
    second_moments,
    whole,
    zero_half,
)


def _inputs(size: int, count: int = 300) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(-3, 3, size)
    return torch.randn(count, size, generator=generator) * scales


@pytest.mark.parametrize("size", [1, 5, 128, 300])
def test_products_are_added_up_batch_after_batch(size: int) -> None:
    x = _inputs(size)
    half = zero_half(size, x.device)
    for batch in x.split(77):
        add_product(half, batch)
    scale = x.square().sum(0).sqrt()
    error = (whole(half, size) - x.T @ x) / (scale.unsqueeze(1) * scale)
    assert float(error.abs().max()) < 1e-5
    assert size * (size + 1) // 2 <= len(half) == half_length(size)


def test_a_large_half_is_little_more_than_half() -> None:
    assert half_length(1536) < 0.55 * 1536**2


@pytest.mark.parametrize("size", [5, 300])
def test_a_half_made_whole_is_the_matrix(size: int) -> None:
    matrix = _inputs(size).T @ _inputs(size)
    matrix = matrix + matrix.T
    assert torch.equal(whole(half_of(matrix), size), matrix)


def test_sixteen_bits_keep_each_entry_to_its_share_of_both_diagonals() -> None:
    x = _inputs(200)
    matrix = x.T @ x / len(x)
    diagonal = matrix.diagonal().clone()
    again = second_moments(correlations(half_of(matrix), diagonal), diagonal)
    scale = diagonal.sqrt()
    error = (again - matrix).abs() / (scale.unsqueeze(1) * scale)
    assert float(error.max()) < 1.05 / 65534
    torch.testing.assert_close(again, again.T, rtol=1e-6, atol=0)
    assert torch.equal(again.diagonal(), diagonal)


def test_inputs_that_are_always_zero_and_numbers_that_are_not_finite_stay_what_they_are() -> None:
    matrix = torch.eye(4)
    matrix[1, 1], matrix[2, 2] = 0.0, float("nan")
    diagonal = matrix.diagonal().clone()
    again = second_moments(correlations(half_of(matrix), diagonal), diagonal)
    assert float(again[1, 1]) == 0
    assert again[2, 2].isnan()
    assert float(again[0, 3]) == 0
