"""Whether sparse formats make this machine faster: a model's own matrices, timed dense and sparse."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.sparse import to_sparse_semi_structured

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.evaluation.timing import side_by_side
from pruning.engine.masking.masks import pattern_mask, removed
from pruning.planning.cost.latency_table import PREFILL_TOKENS
from pruning.progress import Progress, silent

LEVELS = (0.5, 0.7, 0.9, 0.95)
BLOCK = (16, 16)
ROUNDS = 11
TOKENS = {"prefill": PREFILL_TOKENS, "decode": 1}

Form = Callable[[torch.Tensor, float], torch.Tensor]


def sparse_kernels(
    model: nn.Module, groups: Sequence[GroupInfo], rounds: int = ROUNDS, progress: Progress = silent
) -> list[dict[str, Any]]:
    """How fast one layer's matrices are in each sparse format, as a multiple of their dense speed.

    The matrices are those of the first layer with their smallest weights pruned; those of other layers have
    the same shapes. CSR and BSR (16 × 16 blocks) anywhere, 2:4 on CUDA in half precision.

    Parameters
    ----------
    model, groups
        The model, which is only read, and its groups.
    rounds
        How often each is timed, after a round that warms up.

    Returns
    -------
    Rows {format, level, prefill, decode}: 1 = as fast as dense, below 1 slower; `why_not` instead of the two
    where this machine's torch has no kernel for the format.
    """
    weights = [group_weight(model, group) for group in groups if group.layer == groups[0].layer]
    device = device_of(model)
    forms: list[tuple[str, float, Form]] = [
        *(("csr", level, _csr) for level in LEVELS),
        *(("bsr", level, _bsr) for level in LEVELS),
        ("2:4", 0.5, _two_of_four),
    ]
    rows: list[dict[str, Any]] = []
    for name, level, form in forms:
        progress(len(rows), len(forms), "Timing sparse formats")
        row: dict[str, Any] = {"format": name, "level": level}
        try:
            row |= {mode: _faster(weights, level, form, n, device, rounds) for mode, n in TOKENS.items()}
        except RuntimeError as error:
            row["why_not"] = str(error).strip().splitlines()[0]
        rows.append(row)
    return rows


def _faster(
    weights: Sequence[torch.Tensor], level: float, form: Form, tokens: int, device: torch.device, rounds: int
) -> float:
    """Dense time over sparse time of all the matrices, medians over rounds taken in turn."""
    with torch.no_grad(), warnings.catch_warnings():
        # Torch calls its sparse formats unstable, every time.
        warnings.simplefilter("ignore")
        sparse = [form(weight, level) for weight in weights]
        given = {size: _inputs(size, tokens, weights[0], device) for size in {w.shape[1] for w in weights}}
        half = sparse[0].dtype
        dense = [weight.to(half) for weight in weights]
        works = [
            lambda: [w @ given[w.shape[1]].to(half) for w in dense],
            lambda: [w @ given[w.shape[1]].to(half) for w in sparse],
        ]
        seconds = side_by_side(works, device, rounds)
    return float((torch.tensor(seconds[0]) / torch.tensor(seconds[1])).median())


def _inputs(size: int, tokens: int, like: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Inputs [in, tokens]."""
    drawn = torch.randn(size, tokens, generator=torch.Generator().manual_seed(0))
    return drawn.to(device, like.dtype)


def _csr(weight: torch.Tensor, level: float) -> torch.Tensor:
    return weight.masked_fill(removed(weight.abs(), level, "group"), 0).to_sparse_csr()


def _bsr(weight: torch.Tensor, level: float) -> torch.Tensor:
    return weight.masked_fill(removed(weight.abs(), level, "group", BLOCK), 0).to_sparse_bsr(BLOCK)


def _two_of_four(weight: torch.Tensor, level: float) -> torch.Tensor:
    if weight.device.type != "cuda":
        raise RuntimeError("2:4 kernels need an NVIDIA GPU of the Ampere generation or newer.")
    half = weight.masked_fill(pattern_mask(weight.abs(), 2, 4), 0).half()
    return to_sparse_semi_structured(half)
