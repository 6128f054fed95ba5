"""What a model takes: bytes, counted from its weights, and time, measured on this machine."""

import statistics
import time
from collections.abc import Callable, Mapping
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


def csr_bytes(model: nn.Module, masks: Mapping[Group, torch.Tensor]) -> int:
    """Bytes of all weights when each masked group is kept as compressed sparse rows.

    What stays is kept with its column (2 bytes, or 4 where there are over 65,536), and each row with where it
    begins (4 bytes). A group whose sparse form would be larger stays dense. `masks`: bool, True = removed.
    """
    saved = 0
    for mask in masks.values():
        rows, columns = mask.shape
        kept = mask.numel() - int(mask.sum())
        index = 2 if columns <= 2**16 else 4
        taken = kept * (weight_bytes(model) + index) + 4 * (rows + 1)
        saved += max(0, mask.numel() * weight_bytes(model) - taken)
    return dense_bytes(model) - saved


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
    """Bytes of all weights when what is removed is cut out of the tensors and leaves nothing behind."""
    return dense_bytes(model) - sum(int(mask.sum()) for mask in masks.values()) * weight_bytes(model)


def latency(model: nn.Module, repeats: int = 3) -> dict[str, float]:
    """Median milliseconds to read `PREFILL_TOKENS` tokens and to write one more after them."""
    # The first round warms up caches and allocators.
    rounds = [_times(model) for _ in range(repeats + 1)][1:]
    return {
        "prefill_ms": 1000 * statistics.median(prefill for prefill, _ in rounds),
        "decode_ms": 1000 * statistics.median(decode for _, decode in rounds),
    }


def speedup(
    dense: nn.Module,
    pruned: nn.Module,
    repeats: int = 7,
    after_round: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """How many times as fast as `dense` the other model is: `prefill` and `decode`, above 1 is faster.

    Both take turns, and who begins changes, so that what else the machine does falls on both alike. Each
    figure is the median over rounds; `…_low` and `…_high` hold the middle half of them. The milliseconds
    of both models are medians too.
    """
    rounds = []
    for turn in range(repeats + 1):
        pair = (dense, pruned) if turn % 2 else (pruned, dense)
        times = [_times(model) for model in pair]
        rounds.append(times if turn % 2 else times[::-1])
        after_round(turn + 1, repeats + 1)
    found: dict[str, float] = {}
    for index, name in enumerate(("prefill", "decode")):
        old, new = ([times[which][index] for times in rounds[1:]] for which in (0, 1))
        low, middle, high = statistics.quantiles([a / b for a, b in zip(old, new, strict=True)], n=4)
        found |= {name: middle, f"{name}_low": low, f"{name}_high": high}
        found |= {f"dense_{name}_ms": 1000 * statistics.median(old)}
        found |= {f"{name}_ms": 1000 * statistics.median(new)}
    return found


def _times(model: nn.Module) -> tuple[float, float]:
    """Seconds to read `PREFILL_TOKENS` tokens, and seconds for each of `DECODE_TOKENS` after them."""
    config: Any = model.config
    device = device_of(model)
    ids = torch.arange(PREFILL_TOKENS, device=device).unsqueeze(0) % config.get_text_config().vocab_size
    with torch.no_grad():
        start = _now(device)
        output = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        prefill = _now(device) - start
        start = _now(device)
        for _ in range(DECODE_TOKENS):
            step = output.logits[:, -1:].argmax(-1)
            output = model(input_ids=step, past_key_values=output.past_key_values, use_cache=True)
        return prefill, (_now(device) - start) / DECODE_TOKENS


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
