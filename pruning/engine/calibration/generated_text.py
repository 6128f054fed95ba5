"""Text that a model writes itself, to learn from where there is little other (LLM-QAT, Liu et al. 2023)."""

from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of

# So many tokens of real text set a subject; everything after them is the model's own.
PROMPT = 16


def written(model: nn.Module, windows: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """`count` token windows [count, length] that the model writes, on the CPU.

    Each begins with a few tokens from a random place of `windows` [n, length] and goes on with tokens drawn
    from the model's own predictions, at temperature 1. The same model, windows and seed give the same text.
    """
    draw = torch.Generator().manual_seed(seed)
    length = windows.shape[1]
    begun = min(PROMPT, length // 2)
    rows = torch.randint(len(windows), (count,), generator=draw)
    places = torch.randint(length - begun, (count,), generator=draw)
    text = torch.stack([windows[row, place : place + begun] for row, place in zip(rows, places, strict=True)])
    step, cache = text.to(device_of(model)), None
    pieces: list[torch.Tensor] = [text.cpu()]
    with torch.no_grad():
        for _ in range(length - begun):
            output: Any = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            shares = output.logits[:, -1].float().softmax(-1).cpu()
            token = torch.multinomial(shares, 1, generator=draw)
            pieces.append(token)
            step, cache = token.to(step.device), output.past_key_values
    return torch.cat(pieces, 1)
