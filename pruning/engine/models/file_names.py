"""What a family's checkpoints call the tensors of a model."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.core_model_loading import revert_weight_conversion


def file_names(skeleton: Any, names: Sequence[str]) -> dict[str, str]:
    """By name in the model the names in files; the same where those do not come one from one.

    Parameters
    ----------
    skeleton
        The model; its values are not looked at.
    names
        The tensors that are in the files.
    """
    tensors = {name: torch.empty(0, device="meta") for name in names}
    try:
        found = {
            id(tensor): name for name, tensor in revert_weight_conversion(skeleton, dict(tensors)).items()
        }
    except Exception:  # conversions of several tensors at once, each fails in its own way
        found = {}
    renamed = {name: found.get(id(tensor)) for name, tensor in tensors.items()}
    if None in renamed.values() or len(found) != len(names):
        return {name: name for name in names}
    return {name: str(new) for name, new in renamed.items()}
