"""A covariance in short: exact on the diagonal and where the rank is low, near elsewhere."""

import torch

from pruning.engine.linalg.low_rank import low_rank


def _matrix(size: int, rank: int, noise: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(rank, size, generator=generator)
    other = torch.randn(4 * size, size, generator=generator) * noise
    return rows.T @ rows + other.T @ other / (4 * size)


def test_a_matrix_of_low_rank_is_met() -> None:
    matrix = _matrix(120, 10, 0.0)
    short = low_rank(matrix)
    assert short is not None
    again = short.rows.T @ short.rows + torch.diag(short.rest)
    torch.testing.assert_close(again, matrix, rtol=1e-2, atol=1e-2)


def test_the_diagonal_is_exact_and_quadratic_forms_are_near() -> None:
    matrix = _matrix(120, 10, 1.0)
    short = low_rank(matrix)
    assert short is not None
    assert len(short.rows) == 20
    again = short.rows.T @ short.rows + torch.diag(short.rest)
    torch.testing.assert_close(again.diagonal(), matrix.diagonal(), rtol=1e-4, atol=1e-4)
    change = torch.randn(64, 120, generator=torch.Generator().manual_seed(1))
    exact, near = (((change @ a) * change).sum() for a in (matrix, again))
    assert abs(float(near / exact) - 1) < 0.02


def test_the_same_matrix_gives_the_same_rows() -> None:
    matrix = _matrix(60, 5, 1.0)
    one, other = low_rank(matrix), low_rank(matrix.clone())
    assert one is not None
    assert other is not None
    assert torch.equal(one.rows, other.rows)


def test_numbers_that_are_not_finite_have_none() -> None:
    matrix = torch.eye(12)
    matrix[3, 3] = float("nan")
    assert low_rank(matrix) is None
