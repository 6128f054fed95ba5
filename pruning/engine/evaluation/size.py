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
    """Bytes of all weights when each masked group is stored as a bitmask and its kept weights.

    A group whose sparse form would be larger stays dense. `masks`: bool [out, in] by group, True = pruned.
    """
    width, saved = weight_bytes(model), 0.0
    for mask in masks.values():
        count = mask.numel()
        saved += count * width - storage.bitmask_bytes(count, count - int(mask.sum()), width)
    return round(dense_bytes(model) - saved)


def csr_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when each masked group is stored as compressed sparse rows (CSR).

    A kept weight takes its column as well (2 bytes, or 4 where there are over 65,536), and a row where it
    begins (4 bytes). A group whose sparse form would be larger stays dense. `masks`: bool [out, in] by
    group, True = pruned.
    """
    width, saved = weight_bytes(model), 0.0
    for mask in masks.values():
        rows, columns = mask.shape
        kept = mask.numel() - int(mask.sum())
        saved += mask.numel() * width - storage.csr_bytes((rows, columns), kept, width)
    return round(dense_bytes(model) - saved)


def smallest(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> tuple[str, int]:
    """The form that takes least room, "bitmask", "csr" or "dense", and the bytes of all weights in it."""
    forms = {
        "dense": dense_bytes(model),
        "bitmask": sparse_bytes(model, masks),
        "csr": csr_bytes(model, masks),
    }
    best = min(forms, key=forms.__getitem__)
    return best, forms[best]


def cut_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when the pruned ones are cut out of the tensors and leave nothing behind."""
    return dense_bytes(model) - sum(int(mask.sum()) for mask in masks.values()) * weight_bytes(model)
