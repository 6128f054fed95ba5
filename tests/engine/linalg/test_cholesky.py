"""Cholesky factors with retry: precisions in turn, then more damping, then a sentence."""

import pytest
import torch

from pruning.engine.linalg.cholesky import (
    TRIES,
    damped,
    factor_with_retry,
    lower_factor,
    precise,
    ridge_of,
)
from pruning.errors import PruningError

DTYPES = (torch.float32, torch.float64)


def failing(times: int) -> tuple[list[tuple[float, torch.dtype]], object]:
    """An attempt that fails so often, and what it was asked for."""
    asked: list[tuple[float, torch.dtype]] = []

    def attempt(damping: float, dtype: torch.dtype) -> torch.Tensor | None:
        asked.append((damping, dtype))
        return None if len(asked) <= times else torch.eye(2, dtype=dtype)

    return asked, attempt


def test_the_first_factor_there_is_is_taken() -> None:
    asked, attempt = failing(0)
    factor = factor_with_retry(attempt, 0.01, DTYPES, "")  # type: ignore[arg-type]
    assert asked == [(0.01, torch.float32)]
    assert torch.equal(factor, torch.eye(2))


def test_every_precision_is_tried_before_there_is_more_damping() -> None:
    asked, attempt = failing(3)
    factor = factor_with_retry(attempt, 0.01, DTYPES, "")  # type: ignore[arg-type]
    assert asked == [
        (0.01, torch.float32),
        (0.01, torch.float64),
        (pytest.approx(0.1), torch.float32),
        (pytest.approx(0.1), torch.float64),
    ]
    assert factor.dtype == torch.float64


def test_damping_grows_tenfold_until_the_tries_are_used_up_and_then_says_what_follows() -> None:
    asked, attempt = failing(100)
    sentence = r"^The inputs of a layer hold numbers that are not finite, so nothing can be done\.$"
    with pytest.raises(PruningError, match=sentence):
        factor_with_retry(attempt, 1e-3, (torch.float64,), "nothing can be done.")  # type: ignore[arg-type]
    assert len(asked) == TRIES
    assert [damping for damping, _ in asked] == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])


def test_the_lower_factor_is_that_of_the_matrix_with_its_ridge() -> None:
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    matrix = x.T @ x
    lower = lower_factor(matrix, 0.5, "")
    assert lower.dtype == torch.float64
    assert torch.equal(lower, lower.tril())
    torch.testing.assert_close(lower @ lower.T, matrix.double() + 0.5 * torch.eye(4).double())


def test_a_matrix_that_is_not_definite_gets_the_least_ridge_that_helps() -> None:
    # Its smallest eigenvalue is -0.05: 0.01 is too little, 0.1 is enough.
    matrix = torch.diag(torch.tensor([1.0, -0.05]))
    lower = lower_factor(matrix, 0.01, "")
    expected = torch.tensor([1.1, 0.05]).double()
    torch.testing.assert_close((lower @ lower.T).diagonal(), expected, rtol=1e-6, atol=1e-6)
    with pytest.raises(PruningError, match="not finite, so it stays"):
        lower_factor(torch.full((2, 2), torch.nan), 0.01, "it stays.")


def test_damping_is_a_share_of_the_mean_diagonal_and_one_for_inputs_that_are_always_zero() -> None:
    matrix = torch.tensor([[4.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    before = matrix.clone()
    expected = torch.tensor([[4.2, 1.0, 0.0], [1.0, 2.2, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(damped(matrix, 0.1), expected)
    assert torch.equal(matrix, before)
    assert ridge_of(matrix, 0.1) == pytest.approx(0.2)
    assert ridge_of(torch.zeros(3, 3), 0.1) > 0


def test_the_cpu_has_double_precision() -> None:
    assert precise(torch.eye(2)) == torch.float64
