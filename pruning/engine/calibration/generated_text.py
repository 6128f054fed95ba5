"""Self-generated calibration text: the dense model's own, where there is little other.

References
----------
Liu et al. 2023, "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models",
arXiv 2305.17888.
"""

from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of

# So many tokens of real text set a subject; everything after them is the model's own.
PROMPT = 16


def sample_windows(model: nn.Module, windows: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Token windows that the model generates, each from a few tokens at a random place of real text.

    The tokens that follow are drawn from the model's own predictions, at temperature 1. The same model,
    windows and seed give the same text.

    Parameters
    ----------
    model
        The dense model; it is only read.
    windows
        Token windows of real text [n, length].
    count
        How many windows to generate.

    Returns
    -------
    Token windows [count, length], on the CPU.
    """
    draw = torch.Generator().manual_seed(seed)
    length = windows.shape[1]
    prompt = min(PROMPT, length // 2)
    rows = torch.randint(len(windows), (count,), generator=draw)
    starts = torch.randint(length - prompt, (count,), generator=draw)
    prompts = [windows[row, start : start + prompt] for row, start in zip(rows, starts, strict=True)]
    step, cache = torch.stack(prompts).to(device_of(model)), None
    pieces: list[torch.Tensor] = [step.cpu()]
    with torch.no_grad():
        for _ in range(length - prompt):
            output: Any = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            probabilities = output.logits[:, -1].float().softmax(-1).cpu()
            token = torch.multinomial(probabilities, 1, generator=draw)
            pieces.append(token)
            step, cache = token.to(step.device), output.past_key_values
    return torch.cat(pieces, 1)
