"""How units are scored, higher = keep: by the criterion's scores of the weights that belong to them."""

from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.groups import weight_view
from pruning.engine.architecture.units import COLUMN_KIND, Units
from pruning.engine.criteria import Criterion, CriterionInputs, GroupInputs


@dataclass(frozen=True)
class UnitScorer:
    """The units of one dense model, and what scores them.

    Attributes
    ----------
    model
        The dense model, which is only read.
    units
        Its units.
    criterion
        Scores the weights of a unit's columns of down or attn_out, and where it needs no data those of its
        rows as well.
    inputs
        What the criterion looks at, by group.
    """

    model: nn.Module
    units: Units
    criterion: Criterion
    inputs: CriterionInputs

    def scores(self, layer: int, kind: str) -> torch.Tensor:
        """Scores [units], higher = keep, of the neurons, heads or KV groups of one layer.

        A KV group's is the sum of its heads'; keys and values, which heads share, do not count.
        """
        inputs = self.inputs((layer, COLUMN_KIND[kind]))
        if kind == "neurons":
            return self._neuron_scores(layer, inputs)
        scores = self._head_scores(layer, inputs)
        if kind == "heads":
            return scores
        heads = self.units.heads[layer]
        return torch.stack([scores[heads.members(group)].sum() for group in range(heads.groups)])

    def _neuron_scores(self, layer: int, inputs: GroupInputs) -> torch.Tensor:
        neurons = self.units.neurons[layer]
        weight = weight_view(self.model, neurons.down).float()
        scores = column_scores(weight, 1, self.criterion, inputs)
        if not self.criterion.needs:
            for part in neurons.rows:
                rows = weight_view(self.model, part).float()
                scores = scores + _weight_scores(self.criterion, rows, inputs).sum(1)
        return scores

    def _head_scores(self, layer: int, inputs: GroupInputs) -> torch.Tensor:
        heads = self.units.heads[layer]
        weight = weight_view(self.model, heads.out).float()
        scores = column_scores(weight, heads.size, self.criterion, inputs)
        if not self.criterion.needs:
            queries = [
                torch.cat([weight_view(self.model, part).float() for part in parts])
                for parts in heads.queries
            ]
            sums = [_weight_scores(self.criterion, rows, inputs).sum() for rows in queries]
            scores = scores + torch.stack(sums)
        return scores


def column_scores(weight: torch.Tensor, size: int, criterion: Criterion, inputs: GroupInputs) -> torch.Tensor:
    """Scores [blocks], higher = keep, of blocks of `size` columns of `weight` [out, in].

    Fisher's is what removing the block is forecast to cost: ½ tr(G · W_b A_bb W_bᵀ), with the whole of A_bb.
    For any other criterion the scores of the block's weights are summed (squared first where its norm is 2).
    """
    if criterion.name == "fisher" and size > 1:
        return _block_costs(weight, size, inputs)
    sums = _weight_scores(criterion, weight, inputs).sum(0).view(-1, size).sum(1)
    return 0.5 * sums if criterion.name == "fisher" else sums


def _weight_scores(criterion: Criterion, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
    return criterion.score(weight, inputs).pow(criterion.norm)


def _block_costs(weight: torch.Tensor, size: int, inputs: GroupInputs) -> torch.Tensor:
    count = weight.shape[1] // size
    at = torch.arange(count, device=weight.device)
    diagonal_blocks = inputs.require("products").view(count, size, count, size)[at, :, at]
    scaled = weight * inputs.require("outputs").sqrt().unsqueeze(1)
    blocks = scaled.view(-1, count, size).transpose(0, 1)
    return 0.5 * (blocks @ diagonal_blocks * blocks).sum((1, 2))
