"""Optimal Brain Surgeon for blocks of columns: in which order to prune units, and what each step costs.

References
----------
Hassibi & Stork 1992, Optimal Brain Surgeon; for blocks Frantar & Alistarh 2022, Optimal Brain Compression,
arXiv 2208.11580.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pruning.engine.linalg.cholesky import lower_factor, ridge_of
from pruning.engine.linalg.least_squares import COLUMN_DAMPING, NO_COMPENSATION

AT_ONCE = 8

# From the blocks pruned so far to those that may be next.
Allowed = Callable[[list[int]], Sequence[int]]


@dataclass(frozen=True)
class Blocks:
    """What is pruned in one piece: `size` neighbouring columns.

    `allowed` tells which blocks may be next; any of them without it.
    """

    size: int = 1
    allowed: Allowed | None = None

    def free(self, count: int, pruned: list[int]) -> list[int]:
        """Which of `count` blocks can be pruned next."""
        taken = set(pruned)
        candidates = range(count) if self.allowed is None else self.allowed(pruned)
        return [block for block in candidates if block not in taken]

    def at_once(self, left: int) -> int:
        """How many blocks to prune before all is brought up to date, of so many still to prune."""
        return min(AT_ONCE if self.size == 1 and self.allowed is None else 1, left)

    def columns(self, blocks: Sequence[int], device: torch.device) -> torch.Tensor:
        """The columns of the blocks."""
        starts = torch.as_tensor(blocks, device=device).unsqueeze(1) * self.size
        return (starts + torch.arange(self.size, device=device)).flatten()


def removal_order(
    weight: torch.Tensor,
    inputs: torch.Tensor,
    outputs: torch.Tensor,
    count: int,
    blocks: Blocks = Blocks(),
    damping: float = COLUMN_DAMPING,
) -> tuple[list[int], list[float]]:
    """Which `count` blocks of columns to prune, one after the other, and the forecast cost after each.

    The next is always the block b whose removal costs least when the kept columns compensate:
    ½ Σ_i G_ii (W_b [A⁻¹]_bb⁻¹ W_bᵀ)_ii, with A⁻¹ and W brought up to date after each. Single columns that may
    be pruned in any order are taken `AT_ONCE` at a time.

    Parameters
    ----------
    weight
        W [out, in]; it is not changed.
    inputs
        A = mean x xᵀ [in, in].
    outputs
        diag G [out], mean squared gradients at the outputs.
    count
        How many blocks to prune.
    blocks
        How wide they are, and which may be next.
    damping
        Share of A's mean diagonal that is added to its diagonal.

    Returns
    -------
    order, costs
        Numbers of blocks, and the sum of costs up to each, in nats per token.

    Raises
    ------
    PruningError
        When the inputs are not finite.
    """
    order: list[int] = []
    costs: list[float] = []
    for taken, cost, _ in removal_steps(weight, damped_inverse(inputs, damping), outputs, count, blocks):
        before = costs[-1] if costs else 0.0
        order += taken
        costs += [before + cost * part / len(taken) for part in range(1, len(taken) + 1)]
    return order, costs


def damped_inverse(inputs: torch.Tensor, damping: float = COLUMN_DAMPING) -> torch.Tensor:
    """(A + λ I)⁻¹ [in, in] for A = mean x xᵀ, with λ `damping` times its mean diagonal.

    Raises PruningError when the inputs are not finite.
    """
    lower = lower_factor(inputs, ridge_of(inputs, damping), NO_COMPENSATION)
    return torch.cholesky_inverse(lower).to(inputs.dtype)


def removal_steps(
    weight: torch.Tensor, inverse: torch.Tensor, outputs: torch.Tensor, count: int, blocks: Blocks
) -> Iterator[tuple[list[int], float, torch.Tensor]]:
    """The steps of `removal_order`, given A⁻¹ [in, in] (`damped_inverse`); nothing given is changed.

    Yields
    ------
    The blocks that a step prunes, what it costs, and the weight [out, in] after it: pruned columns are zero
    and those that are kept compensate for all that went so far. The weight changes with the next step.
    """
    total = weight.shape[1] // blocks.size
    weight, inverse, roots = weight.clone(), inverse.clone(), outputs.sqrt().unsqueeze(1)
    order: list[int] = []
    while len(order) < count:
        free = blocks.free(total, order)
        block_costs = _block_costs(weight * roots, inverse, blocks.size)[free]
        cheapest = block_costs.argsort()[: blocks.at_once(count - len(order))]
        taken = [free[at] for at in cheapest.tolist()]
        cost = _prune_columns(weight, inverse, roots, blocks.columns(taken, weight.device))
        order += taken
        yield taken, cost, weight


def _block_costs(weight: torch.Tensor, inverse: torch.Tensor, size: int) -> torch.Tensor:
    """½ Σ_i (W_b [A⁻¹]_bb⁻¹ W_bᵀ)_ii of every block b of `size` columns: [blocks]."""
    if size == 1:
        return 0.5 * weight.square().sum(0) / inverse.diagonal()
    count = weight.shape[1] // size
    at = torch.arange(count, device=weight.device)
    diagonal_blocks = inverse.view(count, size, count, size)[at, :, at]
    blocks = weight.view(-1, count, size).transpose(0, 1)
    return 0.5 * (blocks @ torch.linalg.inv(diagonal_blocks) * blocks).sum((1, 2))


def _prune_columns(
    weight: torch.Tensor, inverse: torch.Tensor, roots: torch.Tensor, columns: torch.Tensor
) -> float:
    """Prune columns of W and bring W and A⁻¹ up to date, *in place*; what that costs."""
    precision = torch.linalg.inv(inverse[columns][:, columns])
    pruned, spread = weight[:, columns] * roots, inverse[:, columns] @ precision
    cost = 0.5 * float((pruned @ precision * pruned).sum())
    weight -= weight[:, columns] @ spread.T
    inverse -= spread @ inverse[columns]
    weight[:, columns] = 0
    inverse[columns] = 0
    inverse[:, columns] = 0
    inverse[columns, columns] = 1  # keeps later inverses defined
    return cost
