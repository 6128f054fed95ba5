"""What a model takes: bytes, counted from its weights, and time, measured on this machine."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pruning.passes import device_of
from pruning.plan import Group

PREFILL_TOKENS = 256
DECODE_TOKENS = 16


def dense_bytes(model: nn.Module) -> int:
    """Bytes of all weights as an ordinary file holds them; tied weights count once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def weight_bytes(model: nn.Module) -> int:
    """Bytes of one weight."""
    return next(model.parameters()).element_size()


def sparse_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when each masked group keeps one bit per weight and only what is not removed.

    A group whose sparse form would be larger stays dense. `masks`: bool, True = removed.
    """
    saved = 0.0
    for mask in masks.values():
        saved += max(0.0, int(mask.sum()) * weight_bytes(model) - mask.numel() / 8)
    return round(dense_bytes(model) - saved)


def cut_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when what is removed is cut out of the tensors and leaves nothing behind."""
    return dense_bytes(model) - sum(int(mask.sum()) for mask in masks.values()) * weight_bytes(model)


def latency(model: nn.Module, repeats: int = 3) -> dict[str, float]:
    """Median milliseconds to read `PREFILL_TOKENS` tokens and to write one more after them."""
    config: Any = model.config
    device = device_of(model)
    ids = torch.arange(PREFILL_TOKENS, device=device).unsqueeze(0) % config.get_text_config().vocab_size
    prefill, decode = [], []
    with torch.no_grad():
        for _ in range(repeats + 1):
            start = _now(device)
            output = model(input_ids=ids, use_cache=True, logits_to_keep=1)
            prefill.append(_now(device) - start)
            start = _now(device)
            for _ in range(DECODE_TOKENS):
                step = output.logits[:, -1:].argmax(-1)
                output = model(input_ids=step, past_key_values=output.past_key_values, use_cache=True)
            decode.append((_now(device) - start) / DECODE_TOKENS)
    # The first round warms up caches and allocators.
    return {
        "prefill_ms": 1000 * statistics.median(prefill[1:]),
        "decode_ms": 1000 * statistics.median(decode[1:]),
    }


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
