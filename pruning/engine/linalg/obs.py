"""Optimal Brain Surgeon on one matrix, weight by weight: prune some, and let the others compensate.

References
----------
LeCun et al. 1989, Optimal Brain Damage; Hassibi & Stork 1992, Optimal Brain Surgeon; Frantar & Alistarh 2023,
SparseGPT, arXiv 2301.00774.
"""

from collections.abc import Callable

import torch

from pruning.engine.linalg.cholesky import damped, factor_with_retry, precise

BLOCK = 128
DAMPING = 0.01

# From the scores of some columns [out, step], higher = keep, to the weights that are pruned, True.
Choose = Callable[[torch.Tensor], torch.Tensor]


def obs_prune(
    weight: torch.Tensor,
    hessian: torch.Tensor,
    choose: Choose,
    step: int = BLOCK,
    damping: float = DAMPING,
    held: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prune a weight from left to right, the columns to the right compensating for each column's loss.

    Parameters
    ----------
    weight
        [out, in]; it is not changed.
    hessian
        Σ x xᵀ [in, in] over the inputs, up to a factor.
    choose
        Says which weights of `step` columns are pruned, from their scores w² / [H⁻¹]_jj (higher = keep).
    step
        How many columns are chosen from at a time.
    damping
        Share of the mean diagonal that is added to the hessian's diagonal.
    held
        Bool [out, in], True = pruned whatever is chosen, and chosen first; None where nothing is.

    Returns
    -------
    weight, pruned
        The updated weight [out, in], and bool [out, in], True = zero. Weights of inputs that are always zero
        become zero whether they are chosen or not.

    Raises
    ------
    PruningError
        When the hessian holds numbers that are not finite.

    References
    ----------
    SparseGPT, algorithm 1 (arXiv 2301.00774).
    """
    weight = weight.clone()
    weight[:, hessian.diagonal() <= 0] = 0
    factor = inverse_factor(hessian, damping)
    pruned = torch.zeros_like(weight, dtype=torch.bool)
    block = max(1, BLOCK // step) * step
    for first in range(0, weight.shape[1], block):
        stop = min(first + block, weight.shape[1])
        part, triangle = weight[:, first:stop].clone(), factor[first:stop, first:stop]
        mask, errors = pruned[:, first:stop], torch.zeros_like(part)
        for column in range(stop - first):
            if column % step == 0:
                ahead = slice(column, column + step)
                scores = (part[:, ahead] / triangle.diagonal()[ahead]).square()
                mask[:, ahead] = _chosen(scores, choose, held, first + column)
            error = torch.where(mask[:, column], part[:, column], 0) / triangle[column, column]
            part[:, column:] -= error.unsqueeze(1) * triangle[column, column:]
            errors[:, column] = error
        weight[:, first:stop] = part
        weight[:, stop:] -= errors @ factor[first:stop, stop:]
    return weight.masked_fill(pruned, 0), pruned


def _chosen(scores: torch.Tensor, choose: Choose, held: torch.Tensor | None, first: int) -> torch.Tensor:
    """What is pruned of the columns from `first` on that have these scores, the held weights first."""
    if held is None:
        return choose(scores)
    known = held[:, first : first + scores.shape[1]]
    return choose(scores.masked_fill(known, -1.0)) | known


def obs_scores(weight: torch.Tensor, hessian: torch.Tensor, damping: float = DAMPING) -> torch.Tensor:
    """w_ij² / [H⁻¹]_jj [out, in], higher = keep: what pruning one weight costs when those after compensate.

    For `weight` [out, in] and `hessian` H = mean x xᵀ [in, in]. [H⁻¹]_jj is taken over the columns from j
    on, since those before are settled (SparseGPT, eq. 3). Raises PruningError as `obs_prune` does.
    """
    return (weight / inverse_factor(hessian, damping).diagonal()).square()


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
