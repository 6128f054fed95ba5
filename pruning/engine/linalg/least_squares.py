"""Least squares for columns: which to remove from a linear layer, and how the others make up for them."""

from collections.abc import Callable, Sequence

import torch

from pruning.engine.linalg.cholesky import lower_factor

DAMPING = 1e-4
SHRINKING, MOST_SHRINKING = 2.0, 0.3
AT_ONCE = 8
NOT_FINITE = "what goes cannot be made up for. Load the model in float32, or switch compensation off."

Allowed = Callable[[list[int]], Sequence[int]]


def shrunk_covariance(inputs: torch.Tensor, tokens: int) -> torch.Tensor:
    """A [in, in], a mean over so many tokens, with its off-diagonal entries drawn towards zero.

    Least squares would trust them too far, the more so the fewer tokens there are for each input (Ledoit &
    Wolf 2004). How far they are drawn is what did best on text that was not fitted to.
    """
    share = min(MOST_SHRINKING, SHRINKING * len(inputs) / tokens)
    return (1 - share) * inputs + share * torch.diag(inputs.diagonal())


def compensate_columns(
    weight: torch.Tensor,
    inputs: torch.Tensor,
    gone: Sequence[int],
    damping: float = DAMPING,
) -> torch.Tensor:
    """The weight [out, in] without the columns `gone` that comes nearest to what the whole one puts out.

    With `inputs` A = mean x xᵀ [in, in] and S the columns that stay, it minimises the mean of
    ‖W x − W'_S x_S‖² + λ‖W'_S − W_S‖², λ being `damping` times the mean diagonal of A. Columns that go are
    zero.
    """
    kept = _others(weight.shape[1], gone)
    lost = torch.as_tensor(sorted(gone), dtype=torch.long, device=weight.device)
    right = weight[:, lost] @ inputs[lost][:, kept]
    result = torch.zeros_like(weight)
    result[:, kept] = weight[:, kept] + _solve(inputs[kept][:, kept], right, damping * _scale(inputs))
    return result


def removal_order(
    weight: torch.Tensor,
    inputs: torch.Tensor,
    outputs: torch.Tensor,
    count: int,
    size: int = 1,
    allowed: Allowed | None = None,
    damping: float = DAMPING,
) -> tuple[list[int], list[float]]:
    """The `count` blocks of `size` columns to remove, one after the other, and the cost after each.

    The next to go is always the block whose removal costs least when the columns that stay make up for it:
    ½ Σ_i G_ii (W_b [A⁻¹]_bb⁻¹ W_bᵀ)_ii, with A⁻¹ and W brought up to date after each (the optimal brain
    surgeon, for blocks). Single columns go `AT_ONCE` at a time. `outputs` is diag G [out]; `allowed(gone)`
    tells which blocks may go next. Costs are sums so far, in nats per token.
    """
    blocks = weight.shape[1] // size
    inverse = _inverse(inputs, damping * _scale(inputs))
    weight, roots = weight.clone(), outputs.sqrt().unsqueeze(1)
    gone: list[int] = []
    costs: list[float] = []
    while len(gone) < count:
        free = _free(blocks, gone, allowed)
        prices = _prices(weight * roots, inverse, size)[free]
        taken = [free[at] for at in prices.argsort()[: _step(size, allowed, count - len(gone))].tolist()]
        columns = _columns(taken, size, weight.device)
        own = torch.linalg.inv(inverse[columns][:, columns])
        lost, spread = weight[:, columns] * roots, inverse[:, columns] @ own
        cost = 0.5 * float((lost @ own * lost).sum())
        weight -= weight[:, columns] @ spread.T
        inverse -= spread @ inverse[columns]
        _take_out(weight, inverse, columns)
        gone += taken
        costs += [
            (costs[-1] if costs else 0.0) + cost * part / len(taken) for part in range(1, len(taken) + 1)
        ]
    return gone, costs


def _free(blocks: int, gone: list[int], allowed: Allowed | None) -> list[int]:
    taken = set(gone)
    return [block for block in (range(blocks) if allowed is None else allowed(gone)) if block not in taken]


def _step(size: int, allowed: Allowed | None, left: int) -> int:
    return min(AT_ONCE if size == 1 and allowed is None else 1, left)


def _columns(blocks: Sequence[int], size: int, device: torch.device) -> torch.Tensor:
    starts = torch.as_tensor(blocks, device=device).unsqueeze(1) * size
    return (starts + torch.arange(size, device=device)).flatten()


def _prices(weight: torch.Tensor, inverse: torch.Tensor, size: int) -> torch.Tensor:
    """½ Σ_i (W_b [A⁻¹]_bb⁻¹ W_bᵀ)_ii of every block b of `size` columns: [blocks]."""
    if size == 1:
        return 0.5 * weight.square().sum(0) / inverse.diagonal()
    count = weight.shape[1] // size
    at = torch.arange(count, device=weight.device)
    own = inverse.view(count, size, count, size)[at, :, at]
    blocks = weight.view(-1, count, size).transpose(0, 1)
    return 0.5 * (blocks @ torch.linalg.inv(own) * blocks).sum((1, 2))


def _take_out(weight: torch.Tensor, inverse: torch.Tensor, columns: torch.Tensor) -> None:
    """Leave nothing of removed columns behind, *in place*; 1 on the diagonal keeps later inverses defined."""
    weight[:, columns] = 0
    inverse[columns] = 0
    inverse[:, columns] = 0
    inverse[columns, columns] = 1


def _inverse(inputs: torch.Tensor, ridge: float) -> torch.Tensor:
    lower = lower_factor(inputs, ridge, NOT_FINITE)
    return torch.cholesky_inverse(lower).to(inputs.dtype)


def _solve(inputs: torch.Tensor, right: torch.Tensor, ridge: float) -> torch.Tensor:
    """right · (A + ridge · I)⁻¹ for right [out, kept]."""
    lower = lower_factor(inputs, ridge, NOT_FINITE)
    return torch.cholesky_solve(right.T.to(lower), lower).T.to(right)


def _scale(inputs: torch.Tensor) -> float:
    return max(float(inputs.diagonal().mean()), torch.finfo(torch.float32).tiny)


def _others(count: int, gone: Sequence[int]) -> torch.Tensor:
    lost = set(gone)
    return torch.tensor([column for column in range(count) if column not in lost], dtype=torch.long)
