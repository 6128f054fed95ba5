"""What a model takes in bytes, counted from its weights.

`width` is the bytes of one weight as it is written; where it is None, as it is in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from pruning.planning.cost import storage
from pruning.planning.recipe.plan import Group


def dense_bytes(model: nn.Module, width: int | None = None) -> int:
    """Bytes of all weights as an ordinary file holds them; tied weights count once."""
    return sum(parameter.numel() * (width or parameter.element_size()) for parameter in model.parameters())


def weight_bytes(model: nn.Module) -> int:
    """Bytes of one weight in memory."""
    return next(model.parameters()).element_size()


def sparse_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor], width: int | None = None) -> int:
    """Bytes of all weights in a compact file: of each masked group a bitmask and its kept weights.

    A group whose compact form would be larger stays dense. `masks`: bool [out, in] by group, True = pruned.
    """
    width, saved = width or weight_bytes(model), 0.0
    for mask in masks.values():
        count = mask.numel()
        saved += count * width - storage.bitmask_bytes(count, count - int(mask.sum()), width)
    return round(dense_bytes(model, width) - saved)


@dataclass(frozen=True)
class CutSizes:
    """Bytes of all weights once units are cut out: in an `ordinary` file and in a `compact` one."""

    ordinary: int
    compact: int


def cut_sizes(
    model: nn.Module,
    masks: Mapping[Group, torch.Tensor],
    gone: Mapping[Group, torch.Tensor],
    width: int | None = None,
) -> CutSizes:
    """What the weights take when units are cut out of the tensors and leave nothing behind.

    `masks`: bool [out, in] by group, True = pruned, and `gone` what of it goes with whole units. Zeros among
    what stays take their room in an ordinary file, and a bit each in a compact one where that is smaller.
    """
    width, cut, packed = width or weight_bytes(model), 0.0, 0.0
    for key, mask in masks.items():
        removed = int(gone[key].sum()) if key in gone else 0
        stays, kept = mask.numel() - removed, mask.numel() - int(mask.sum())
        cut += removed * width
        if kept < stays:
            packed += stays * width - storage.bitmask_bytes(stays, kept, width)
    ordinary = dense_bytes(model, width) - cut
    return CutSizes(round(ordinary), round(ordinary - packed))
