"""Whether llama.cpp, given a written file, computes what the model does with the very values in it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.export.gguf.as_written import Load, computing_with
from pruning.engine.export.gguf.tokenizer import PROBE, ids_of
from pruning.engine.llamacpp.engine import GgufFile, LlamaCpp, opened
from pruning.engine.models.gguf.tensors import Stored
from pruning.engine.models.gguf.values import WrittenTensors
from pruning.errors import PruningError

# A token is likely from this probability on. Where llama.cpp computes in float32 from beginning to end, its
# log-probability must be within `STRICT` nats at every position (0.00005 on the demo model). In f16 llama.cpp
# rounds what goes into a matrix to 16 bits: within `NEAR` at 95 of 100 positions, since at a few rounding is
# amplified (0.024 there, whose KL is 0.00001). Elsewhere it rounds to 8 bits, which alone makes a KL of 0.004
# to 0.008 there; a head in a wrong place makes some tenths.
LIKELY = 0.01
STRICT = 0.002
NEAR, POSITIONS = 0.02, 0.95
EXACT_DIVERGENCE, DIVERGENCE = 0.001, 0.05
PERPLEXITY = 0.01
_FULL, _EXACT = ("f32",), ("f32", "f16")
# What is looked at and not kept.
_BESIDE = ("deviation", "farthest")


def check_written(
    engine: LlamaCpp,
    path: Path,
    model: nn.Module,
    tokenizer: Any,
    sample: torch.Tensor,
    tensors: Sequence[Stored],
) -> dict[str, float]:
    """Raise PruningError unless llama.cpp reads text and predicts as the model does.

    Parameters
    ----------
    engine, path
        llama.cpp and the file, written with `tensors`.
    model, tokenizer
        What was written. The model computes with the values in the file; its own come back.
    sample
        Token windows [n, length] to compare on.

    Returns
    -------
    `log_probability_error`: how far log-probabilities of likely tokens are apart at the most, in nats, at 95
    of 100 positions; `kl` from the model to llama.cpp; `perplexity` of llama.cpp and `own_perplexity` of the
    model on the sample; `same_top` the share of positions with the same most likely token.
    """
    written = WrittenTensors(path)
    values: dict[str, Load] = {
        name: load for tensor in tensors for name, load in written.loads(tensor, model.get_parameter).items()
    }
    threads = torch.get_num_threads()
    with opened(engine, path, max(sample.shape[1], 512), threads, exact=True) as file:
        _check_tokens(file, tokenizer, tokenizer.decode(sample[0].tolist()))
        with torch.no_grad(), computing_with(model, values):
            rows = [_compared(model, file, window) for window in sample]
    figures = _summary({name: [row[name] for row in rows] for name in rows[0]})
    strict = file.exact and written.exact(_FULL)
    wrong = strict and figures["farthest"] > STRICT
    if wrong or not _near(figures, written.exact(_EXACT), sum(len(row["ours"]) for row in rows)):
        raise differs(figures, file.vocabulary)
    return {name: value for name, value in figures.items() if name not in _BESIDE}


def _check_tokens(file: GgufFile, tokenizer: Any, text: str) -> None:
    for one in (text, PROBE, "a"):
        if file.tokens(one) != ids_of(tokenizer, one):
            raise PruningError(
                "llama.cpp splits text into other tokens than this model's tokenizer; nothing was kept. "
                "Export to hf instead, and please report this with the model's name."
            )


def _compared(model: nn.Module, file: GgufFile, window: torch.Tensor) -> dict[str, np.ndarray]:
    """Of one window [length] what both make of each position, and of the tokens that follow."""
    logits = model(input_ids=window[None].to(device_of(model)), use_cache=False).logits[0]
    ours = logits.float().log_softmax(-1).cpu().numpy()
    theirs = file.log_probabilities(window.tolist())[:, : ours.shape[1]]
    shares, at = np.exp(ours), (np.arange(len(window) - 1), window[1:].numpy())
    apart = np.where(shares >= LIKELY, np.abs(ours - theirs), 0.0)
    return {
        "apart": apart.max(-1),
        "kl": (shares * (ours - theirs)).sum(-1),
        "ours": -ours[at],
        "theirs": -theirs[at],
        "same": ours.argmax(-1) == theirs.argmax(-1),
    }


def _summary(windows: dict[str, list[np.ndarray]]) -> dict[str, float]:
    rows = {name: np.concatenate(parts).astype(float) for name, parts in windows.items()}
    return {
        "log_probability_error": float(np.quantile(rows["apart"], POSITIONS)),
        "farthest": float(rows["apart"].max()),
        "kl": float(rows["kl"].mean()),
        "perplexity": math.exp(rows["theirs"].mean()),
        "own_perplexity": math.exp(rows["ours"].mean()),
        "same_top": float(rows["same"].mean()),
        "deviation": float((rows["theirs"] - rows["ours"]).std()),
    }


def _near(figures: dict[str, float], exact: bool, tokens: int) -> bool:
    """What rounding to 8 bits does to each token's probability goes up and down: few tokens say less."""
    chance = 0.0 if exact else 2 * figures["deviation"] / math.sqrt(tokens)
    apart = abs(math.log(figures["perplexity"] / figures["own_perplexity"]))
    near = figures["kl"] <= (EXACT_DIVERGENCE if exact else DIVERGENCE)
    near = near and not (exact and figures["log_probability_error"] > NEAR)
    return near and apart <= PERPLEXITY + chance


def differs(figures: dict[str, float], vocabulary: int) -> PruningError:
    """The error for a file that predicts something else; a model worse than chance is told apart."""
    why = "Please report this with the model's name."
    if figures["own_perplexity"] > vocabulary:
        why = (
            f"Pruned like this the model is worse than guessing among its {vocabulary:,} tokens, and what is "
            "left of it changes with every rounding. Prune less, or choose --quantize f32."
        )
    return PruningError(
        f"llama.cpp predicts something else with the written file: log-probabilities are "
        f"{figures['log_probability_error']:.3g} apart, {figures['farthest']:.3g} at the most, perplexity is "
        f"{figures['perplexity']:.5g} where the model has {figures['own_perplexity']:.5g}. Nothing was kept. "
        f"{why}"
    )
