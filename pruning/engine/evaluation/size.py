"""What a model takes in bytes, counted from its weights."""

from collections.abc import Mapping

import torch
from torch import nn

from pruning.planning.cost import storage
from pruning.planning.recipe.plan import Group


def dense_bytes(model: nn.Module) -> int:
    """Bytes of all weights as an ordinary file holds them; tied weights count once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def weight_bytes(model: nn.Module) -> int:
    """Bytes of one weight."""
    return next(model.parameters()).element_size()


def sparse_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights in a compact file: of each masked group a bitmask and its kept weights.

    A group whose compact form would be larger stays dense. `masks`: bool [out, in] by group, True = pruned.
    """
    width, saved = weight_bytes(model), 0.0
    for mask in masks.values():
        count = mask.numel()
        saved += count * width - storage.bitmask_bytes(count, count - int(mask.sum()), width)
    return round(dense_bytes(model) - saved)


def cut_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when the pruned ones are cut out of the tensors and leave nothing behind."""
    return dense_bytes(model) - sum(int(mask.sum()) for mask in masks.values()) * weight_bytes(model)
