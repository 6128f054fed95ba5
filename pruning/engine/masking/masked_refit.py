"""Masked refit: the mask is given, and the kept weights are reconstructed so that they compensate."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.linalg.least_squares import masked_least_squares
from pruning.engine.masking.masks import zeros_of
from pruning.engine.masking.sparsegpt_corrected import prune_sequentially
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent


def refit_masked(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    removed: Mapping[Group, torch.Tensor],
    windows: torch.Tensor,
    progress: Progress = silent,
) -> dict[Group, torch.Tensor]:
    """New weights [out, in] for the groups in `removed`, zero under their masks.

    Layer by layer, each group comes as near as least squares gets it to what the dense one puts out, on the
    inputs it gets from the layers before it as they now are: as `pruning.engine.masking.sparsegpt_corrected`,
    but for the choice of weights.

    Parameters
    ----------
    model
        The dense model. Its weights change *in place* on the way and are restored bit for bit at the end.
    groups
        Its groups.
    removed
        The masks, bool [out, in], True = zero.
    windows
        Calibration tokens [n, length].
    progress
        Hears of every layer.

    Raises
    ------
    PruningError
        When the inputs of a layer are not finite.
    """

    def reconstruct(
        group: GroupInfo, target: torch.Tensor, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mask, zeros = removed[group.key], zeros_of(group_weight(model, group))
        mask = mask if zeros is None else mask | zeros
        return masked_least_squares(target, inputs, mask), mask

    return dict(prune_sequentially(model, groups, removed, windows, reconstruct, progress).weights)
