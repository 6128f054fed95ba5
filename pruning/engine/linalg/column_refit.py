"""What pruning more and more columns of a matrix costs when those that are kept compensate.

References
----------
Hassibi & Stork 1992, Optimal Brain Surgeon.
"""

from collections.abc import Sequence

import torch

from pruning.engine.linalg.cholesky import lower_factor, ridge_of
from pruning.engine.linalg.least_squares import COLUMN_DAMPING, NO_COMPENSATION

SOLVED = 192  # as wide a triangle is solved at once


def column_order(
    weight: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor, damping: float = COLUMN_DAMPING
) -> list[int]:
    """All columns, those first whose removal alone costs least: ½ Σ_i G_ii W_ij² / [A⁻¹]_jj, ascending.

    For `weight` W [out, in], `inputs` A = mean x xᵀ [in, in] and `outputs` diag G [out].
    """
    inverse = _inverse(_lower(inputs, damping))
    costs = (weight.square() * outputs.unsqueeze(1)).sum(0) / inverse.square().sum(0).to(weight)
    return [int(column) for column in costs.argsort()]


def refit_costs(
    weight: torch.Tensor,
    inputs: torch.Tensor,
    outputs: torch.Tensor,
    order: Sequence[int],
    damping: float = COLUMN_DAMPING,
) -> torch.Tensor:
    """Cost of pruning the first 1, 2, … columns of an order, each time refitting all that are kept [in].

    With the columns S kept and R pruned that is ½ tr(G W_R (A_RR − A_RS A_SS⁻¹ A_SR) W_Rᵀ). The bracket is
    L_RR L_RRᵀ with A = L Lᵀ, where R stands last, so that one factor has the costs of every number of
    columns: with R in the reverse of `order` they are running sums of ½ Σ_i G_ii (W L)_ij².

    Parameters
    ----------
    weight
        W [out, in].
    inputs
        A = mean x xᵀ [in, in].
    outputs
        diag G [out], mean squared gradients at the outputs.
    order
        All columns, those that go first at the front.
    damping
        Share of A's mean diagonal that is added to its diagonal.

    Returns
    -------
    Costs in nats per token, ascending.

    Raises
    ------
    PruningError
        When the inputs are not finite.
    """
    last_first = torch.as_tensor(list(reversed(order)), device=weight.device)
    ordered = inputs.index_select(0, last_first).index_select(1, last_first)
    lower, moved = _lower(ordered, damping).to(weight), weight.index_select(1, last_first)
    parts = torch.cat(
        [
            # What is above the diagonal is zero and left out.
            outputs @ (moved[:, first:] @ lower[first:, first : first + SOLVED]).square()
            for first in range(0, len(lower), SOLVED)
        ]
    )
    return (0.5 * parts).flip(0).cumsum(0)


def _inverse(lower: torch.Tensor) -> torch.Tensor:
    """L⁻¹ [n, n] of a lower triangle, by halves: a third of the work of solving for the whole identity."""
    size = len(lower)
    if size <= SOLVED:
        identity = torch.eye(size, dtype=lower.dtype, device=lower.device)
        return torch.linalg.solve_triangular(lower, identity, upper=False)
    half = size // 2
    result = torch.zeros_like(lower)
    first, last = _inverse(lower[:half, :half]), _inverse(lower[half:, half:])
    result[:half, :half], result[half:, half:] = first, last
    result[half:, :half] = -last @ (lower[half:, :half] @ first)
    return result


def _lower(inputs: torch.Tensor, damping: float) -> torch.Tensor:
    """The lower Cholesky factor of A with its ridge; in single precision, where that is fine enough."""
    ridge = ridge_of(inputs, damping)
    ridged = inputs.clone()
    ridged.diagonal().add_(ridge)
    lower, failed = torch.linalg.cholesky_ex(ridged)
    return lower_factor(inputs, ridge, NO_COMPENSATION) if int(failed) else lower
