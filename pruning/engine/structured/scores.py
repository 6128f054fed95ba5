"""How units are scored, higher = keep: by the criterion's scores of the weights that go with them."""

import torch
from torch import nn

from pruning.engine.architecture.groups import weight_view
from pruning.engine.architecture.units import Heads, Neurons
from pruning.engine.criteria import Criterion, GroupInputs
from pruning.engine.criteria.inputs import given


def neuron_scores(
    model: nn.Module, neurons: Neurons, criterion: Criterion, known: GroupInputs
) -> torch.Tensor:
    """Scores [neurons], higher = keep; `known` is of the group down."""
    weight = weight_view(model, neurons.down).float()
    scores = column_scores(weight, 1, criterion, known)
    if not criterion.needs:
        for part in neurons.rows:
            scores = scores + _sums(criterion, weight_view(model, part).float(), known).sum(1)
    return scores


def head_scores(model: nn.Module, heads: Heads, criterion: Criterion, known: GroupInputs) -> torch.Tensor:
    """Scores [heads], higher = keep; `known` is of the group attn_out. Keys and values, which heads share,
    do not count."""
    weight = weight_view(model, heads.out).float()
    scores = column_scores(weight, heads.size, criterion, known)
    if not criterion.needs:
        rows = [torch.cat([weight_view(model, part).float() for part in parts]) for parts in heads.queries]
        scores = scores + torch.stack([_sums(criterion, own, known).sum() for own in rows])
    return scores


def column_scores(weight: torch.Tensor, size: int, criterion: Criterion, known: GroupInputs) -> torch.Tensor:
    """Scores [blocks] of blocks of `size` columns of weight [out, in].

    Fisher's is what removing the block is forecast to cost: ½ tr(G · W_b A_bb W_bᵀ), with the whole of A_bb.
    For any other criterion the scores of the block's weights are summed (squared first where its norm is 2).
    """
    if criterion.name == "fisher" and size > 1:
        return _block_costs(weight, size, known)
    sums = _sums(criterion, weight, known).sum(0).view(-1, size).sum(1)
    return 0.5 * sums if criterion.name == "fisher" else sums


def _sums(criterion: Criterion, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
    return criterion.score(weight, known).pow(criterion.norm)


def _block_costs(weight: torch.Tensor, size: int, known: GroupInputs) -> torch.Tensor:
    count = weight.shape[1] // size
    at = torch.arange(count, device=weight.device)
    own = given(known, "products").view(count, size, count, size)[at, :, at]
    blocks = (weight * given(known, "outputs").sqrt().unsqueeze(1)).view(-1, count, size).transpose(0, 1)
    return 0.5 * (blocks @ own * blocks).sum((1, 2))
