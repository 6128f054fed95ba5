"""Optimal brain surgeon on one matrix: remove weights, and let the ones that stay make up for them."""

from collections.abc import Callable

import torch

from pruning.engine.linalg.cholesky import damped, factor_with_retry, precise

BLOCK = 128
DAMPING = 0.01

Choose = Callable[[torch.Tensor], torch.Tensor]


def obs_prune(
    weight: torch.Tensor,
    hessian: torch.Tensor,
    choose: Choose,
    step: int = BLOCK,
    damping: float = DAMPING,
) -> tuple[torch.Tensor, torch.Tensor]:
    """SparseGPT (Frantar & Alistarh 2023, algorithm 1): the new weight [out, in], and what went (True).

    `hessian` [in, in] is Σ x xᵀ over the inputs, up to a factor. From left to right, `step` columns at a
    time, `choose` says which weights go by their scores [out, step] = w² / [H⁻¹]_jj (higher = keep), and
    what each column lost is made up for by the columns to its right. Inputs that are always zero lose their
    weights. `weight` is not changed.
    """
    weight = weight.clone()
    weight[:, hessian.diagonal() <= 0] = 0
    factor = inverse_factor(hessian, damping)
    gone = torch.zeros_like(weight, dtype=torch.bool)
    block = max(1, BLOCK // step) * step
    for first in range(0, weight.shape[1], block):
        stop = min(first + block, weight.shape[1])
        part, own = weight[:, first:stop].clone(), factor[first:stop, first:stop]
        mask, errors = gone[:, first:stop], torch.zeros_like(part)
        for column in range(stop - first):
            if column % step == 0:
                ahead = slice(column, column + step)
                mask[:, ahead] = choose((part[:, ahead] / own.diagonal()[ahead]).square())
            error = torch.where(mask[:, column], part[:, column], 0) / own[column, column]
            part[:, column:] -= error.unsqueeze(1) * own[column, column:]
            errors[:, column] = error
        weight[:, first:stop] = part
        weight[:, stop:] -= errors @ factor[first:stop, stop:]
    return weight.masked_fill(gone, 0), gone


def inverse_factor(hessian: torch.Tensor, damping: float) -> torch.Tensor:
    """The upper Cholesky factor U of the damped hessian's inverse, H⁻¹ = Uᵀ U; [in, in], float32.

    `damping` is a share of the mean diagonal. Where float32 is too coarse float64 is tried, and then more
    damping; PruningError where even that fails, which takes inputs that are not finite.
    """
    return factor_with_retry(
        lambda share, dtype: _factor(damped(hessian, share).to(dtype)),
        damping,
        (torch.float32, precise(hessian)),
        "its weights cannot be updated. Load the model in float32, or choose a criterion that leaves the "
        "other weights as they are.",
    ).float()


def _factor(hessian: torch.Tensor) -> torch.Tensor | None:
    lower, failed = torch.linalg.cholesky_ex(hessian)
    if int(failed):
        return None
    upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
    return None if int(failed) or not bool(upper.isfinite().all()) else upper
