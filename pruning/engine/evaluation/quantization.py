"""Weights of the groups as 8-bit integers, in a copy of the model, through torchao."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import GroupInfo
from pruning.errors import PruningError
from pruning.planning.cost.storage import bitmask_bytes

METHODS = {
    "int8": "Weights as 8-bit integers, one scale a row; computed in the model's own numbers.",
    "int8-dynamic": "Weights and what goes into them as 8-bit integers; the scale of what goes in is found "
    "on the way.",
}


def quantized(model: nn.Module, groups: Sequence[GroupInfo], method: str) -> nn.Module:
    """A copy of `model` whose group weights are quantized; embeddings, norms and head are copied as they are.

    Zeros stay zeros, since the scales are symmetric.

    Parameters
    ----------
    method
        One of `METHODS`.

    Raises
    ------
    PruningError
        There is no such method, or torchao is not installed.
    """
    quantize_, config = _torchao(method)
    copied = copy.deepcopy(model)
    names = {part.module for group in groups for part in group.parts}
    for name in names:
        module = copied.get_submodule(name)
        if isinstance(module, Conv1D):
            copied.set_submodule(name, _as_linear(module))
    quantize_(copied, config, filter_fn=lambda _, name: name in names)
    return copied


def _torchao(method: str) -> tuple[Callable[..., Any], Any]:
    if method not in METHODS:
        raise PruningError(f'There is no quantization "{method}". Use one of {", ".join(METHODS)}.')
    try:
        from torchao.quantization import (
            Int8DynamicActivationInt8WeightConfig,
            Int8WeightOnlyConfig,
            quantize_,
        )
    except ImportError as error:
        raise PruningError(
            "Quantization needs the package torchao. Install it: pip install 'prunescope[quantize]'."
        ) from error
    return quantize_, Int8WeightOnlyConfig() if method == "int8" else Int8DynamicActivationInt8WeightConfig()


def _as_linear(module: Conv1D) -> nn.Linear:
    """The same layer with its weight transposed, as torchao knows it."""
    inner, out = module.weight.shape
    linear = nn.Linear(inner, out, device="meta")
    linear.weight = nn.Parameter(module.weight.detach().T.contiguous(), requires_grad=False)
    linear.bias = nn.Parameter(module.bias.detach(), requires_grad=False)
    return linear


def stored_bytes(model: nn.Module, zeros_as_bits: bool = False) -> int:
    """Bytes of all weights, with integers and scales as they are stored; tied weights count once.

    With `zeros_as_bits` a quantized matrix is stored as a bitmask and its non-zero integers, where that is
    less.
    """
    total = 0.0
    for parameter in model.parameters():
        inner = _inner(parameter)
        total += sum(tensor.numel() * tensor.element_size() for tensor in inner)
        if zeros_as_bits and inner != [parameter]:
            integers = max(inner, key=torch.Tensor.numel)
            count, width = integers.numel(), integers.element_size()
            kept = count - int((integers == 0).sum())
            total -= count * width - bitmask_bytes(count, kept, width)
    return round(total)


def _inner(parameter: torch.Tensor) -> list[torch.Tensor]:
    """The tensors that a quantized weight is made of; a plain one is made of itself."""
    flatten = getattr(parameter, "__tensor_flatten__", None)
    if flatten is None:
        return [parameter]
    return [part for name in flatten()[0] for part in _inner(getattr(parameter, name))]
