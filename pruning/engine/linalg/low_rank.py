"""A covariance as a product of few rows and a diagonal: quadratic forms of it at a fraction of the work.

References
----------
Halko, Martinsson & Tropp 2011, "Finding structure with randomness", SIAM Review 53(2), section 5.5; Gittens &
Mahoney 2013, "Revisiting the Nyström method", arXiv 1303.1849.
"""

from dataclasses import dataclass

import torch

SHARE = 6  # the rank is one in so many of the size
SHIFT = 1e-6  # of the mean diagonal: what keeps the small factor positive in single precision
SEED = 0


@dataclass(frozen=True)
class LowRank:
    """A ≈ Bᵀ B + diag(d), with the diagonal of A exact.

    Attributes
    ----------
    rows
        B [rank, size].
    rest
        d [size], zero or more.
    """

    rows: torch.Tensor
    rest: torch.Tensor


def low_rank(matrix: torch.Tensor) -> LowRank | None:
    """The randomised Nyström approximation of a positive semidefinite matrix [size, size], after one power
    iteration, and what is left of its diagonal.

    What is dropped is what the rest holds off its diagonal. None where numbers are not finite, or rounding
    leaves no factor; the matrix itself serves then. The same matrix gives the same rows every time.
    """
    size = len(matrix)
    generator = torch.Generator().manual_seed(SEED)
    probe = torch.randn(size, max(1, size // SHARE), generator=generator).to(matrix)
    probe = torch.linalg.qr(matrix @ probe)[0]
    shift = SHIFT * float(matrix.diagonal().mean())
    image = matrix @ probe + shift * probe
    core = probe.T @ image
    lower, failed = torch.linalg.cholesky_ex((core + core.T) / 2)
    if int(failed) or not bool(lower.isfinite().all()):
        return None
    rows = torch.linalg.solve_triangular(lower, image.T, upper=False)
    return LowRank(rows, (matrix.diagonal() - rows.square().sum(0)).clamp_min(0.0))
