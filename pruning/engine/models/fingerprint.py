"""Naming the exact weights of a model."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.paging import paged_of, tensors_of

# What says where a model came from or how it is run, not which model it is.
_VOLATILE = {"transformers_version", "dtype", "torch_dtype", "use_cache", "attn_implementation"}

# Values that are read at once, and tensors that are read side by side.
PIECE, THREADS = 1 << 22, 4

_Read = Callable[[torch.Tensor], torch.Tensor]


def fingerprint(model: nn.Module) -> str:
    """16 hex digits over the configuration and the name, shape and value of every weight.

    Values count as the float32 numbers they are, so the number format does not matter as long as it holds
    them: a checkpoint in bfloat16 has the same name loaded in bfloat16 and in float32. Tied weights count
    once. Equal fingerprints prove that weights are equal.
    """
    return _digest(model, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


def computed_fingerprint(model: nn.Module) -> str:
    """The same, and of the number format too: what is computed with the model in one format is not what is
    computed in another. In float32 it is `fingerprint`."""
    paged = paged_of(model)
    return _digest(model, lambda tensor: tensor if paged is None else paged.as_computed(tensor))


def _digest(model: nn.Module, read: _Read) -> str:
    digest = hashlib.blake2b(digest_size=8)
    config: Any = model.config
    settings = {
        key: value
        for key, value in config.to_dict().items()
        if key not in _VOLATILE and not key.startswith("_")
    }
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    tensors = tensors_of(model)
    with ThreadPoolExecutor(THREADS) as pool:
        for part in pool.map(lambda name: _tensor_digest(name, tensors[name](), read), tensors):
            digest.update(part)
    return digest.hexdigest()


def _tensor_digest(name: str, tensor: torch.Tensor, read: _Read) -> bytes:
    """Of the values as they are read; a piece at a time, so that there is no second copy of them."""
    flat = tensor.cpu().contiguous().reshape(-1)
    dtype = read(flat[:0]).dtype
    digest = hashlib.blake2b(f"{name} {dtype} {tuple(tensor.shape)}".encode())
    for piece in flat.split(PIECE):
        digest.update(read(piece).contiguous().view(torch.uint8).numpy().data)
    return digest.digest()
