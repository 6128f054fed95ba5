"""The share of outlier weights in each layer, which OWL allocates sparsity by."""

from collections.abc import Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.criteria import CriterionInputs
from pruning.engine.criteria.wanda import Wanda

OUTLIER = 5.0  # M of the paper


def outlier_shares(
    model: nn.Module, groups: Sequence[GroupInfo], inputs: CriterionInputs, outlier: float = OUTLIER
) -> dict[int, float]:
    """Layerwise Outlier Distribution: the share of weights that stand out in their layer.

    Parameters
    ----------
    model, groups
        The dense model, which is not changed, and its groups; all matrices of a layer count together.
    inputs
        Gives each group's mean x_j² [in].
    outlier
        A weight stands out where |w_ij| · ‖x_j‖ is over this many times the layer's mean.

    Returns
    -------
    By layer, a share 0..1; higher = keep more of the layer.

    References
    ----------
    Yin et al. 2024, "Outlier Weighed Layerwise Sparsity (OWL)", arXiv 2310.05175, eq. 1.
    """
    layers: dict[int, list[torch.Tensor]] = {}
    for group in groups:
        score = Wanda().score(group_weight(model, group), inputs((group.layer, group.kind)))
        layers.setdefault(group.layer, []).append(score.flatten())
    shares = {}
    for layer, parts in layers.items():
        scores = torch.cat(parts)
        shares[layer] = float((scores > outlier * scores.mean(dtype=torch.float64)).double().mean())
    return shares
