"""The share of outliers in each layer, by which OWL decides how much the layer can lose."""

from collections.abc import Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.criteria import CriterionInputs
from pruning.engine.criteria.wanda import Wanda

OUTLIER = 5.0  # M of the paper


def outlier_shares(
    model: nn.Module, groups: Sequence[GroupInfo], known: CriterionInputs, outlier: float = OUTLIER
) -> dict[int, float]:
    """By layer, the share of weights whose |w_ij| · ‖x_j‖ is over `outlier` times the layer's mean, 0..1.

    Layerwise Outlier Distribution of Yin et al. 2024, "Outlier Weighed Layerwise Sparsity", eq. 1, over all
    weight matrices of a layer together. The model must be dense and is not changed.
    """
    layers: dict[int, list[torch.Tensor]] = {}
    for group in groups:
        score = Wanda().score(group_weight(model, group), known((group.layer, group.kind)))
        layers.setdefault(group.layer, []).append(score.flatten())
    shares = {}
    for layer, parts in layers.items():
        scores = torch.cat(parts)
        shares[layer] = float((scores > outlier * scores.mean(dtype=torch.float64)).double().mean())
    return shares
