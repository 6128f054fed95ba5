"""Cholesky factors of second moments, tried again with more damping until there is one."""

from collections.abc import Callable, Sequence

import torch

from pruning.errors import PruningError

TRIES = 4

# The factor with so much damping in this precision, or None where there is none.
Attempt = Callable[[float, torch.dtype], torch.Tensor | None]


def factor_with_retry(
    attempt: Attempt, damping: float, dtypes: Sequence[torch.dtype], consequence: str
) -> torch.Tensor:
    """The first factor that exists: in each precision in turn, then with ten times the damping.

    Parameters
    ----------
    attempt
        Makes the factor [n, n] with so much damping in a precision, or returns None where there is none.
    damping
        What the first attempt is given; the last of `TRIES` is given a thousand times as much.
    dtypes
        The precisions to try, the cheapest first.
    consequence
        The end of the sentence "The inputs of a layer hold numbers that are not finite, so …".

    Raises
    ------
    PruningError
        When no attempt succeeds, which takes numbers that are not finite.
    """
    for _ in range(TRIES):
        for dtype in dtypes:
            factor = attempt(damping, dtype)
            if factor is not None:
                return factor
        damping *= 10
    raise PruningError(f"The inputs of a layer hold numbers that are not finite, so {consequence}")


def lower_factor(matrix: torch.Tensor, ridge: float, consequence: str) -> torch.Tensor:
    """The lower Cholesky factor L [n, n] with A + λ I = L Lᵀ, in double precision where the device has it.

    Parameters
    ----------
    matrix
        A [n, n], symmetric and positive semidefinite but for rounding.
    ridge
        λ to begin with, in the unit of A; more is added where that is not enough.
    consequence
        The end of the error's sentence, see `factor_with_retry`, which raises it.
    """

    def attempt(damping: float, dtype: torch.dtype) -> torch.Tensor | None:
        exact = matrix.to(dtype, copy=True)
        exact.diagonal().add_(damping)
        lower, failed = torch.linalg.cholesky_ex(exact)
        return None if int(failed) else lower

    return factor_with_retry(attempt, ridge, (precise(matrix),), consequence)


def ridge_of(matrix: torch.Tensor, damping: float) -> float:
    """`damping` times the mean diagonal of `matrix` [n, n], and never quite nothing."""
    return damping * max(float(matrix.diagonal().mean()), torch.finfo(torch.float32).tiny)


def precise(matrix: torch.Tensor) -> torch.dtype:
    """The widest precision that the matrix's device has."""
    return matrix.dtype if matrix.device.type == "mps" else torch.float64


def damped(matrix: torch.Tensor, damping: float) -> torch.Tensor:
    """A copy of `matrix` [n, n] that can be inverted, where float32 allows it.

    `damping` times its mean diagonal is added to the diagonal, and 1 where that is zero: an input that is
    always zero then leaves the others as they are.
    """
    diagonal = matrix.diagonal()
    return matrix + torch.diag(torch.where(diagonal > 0, damping * diagonal.mean(), 1.0))
