"""Whether llama.cpp takes what a plan leaves, known from shapes alone and before anything is computed."""

import copy
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.units import Removal, Units
from pruning.engine.models.gguf.layout import Layout, layout_of
from pruning.engine.models.gguf.numbers import FORMATS
from pruning.engine.models.gguf.tensors import stored_tensors
from pruning.engine.structured.surgery import smaller
from pruning.errors import PruningError
from pruning.planning.exports.llamacpp import step_of, why_not_filled


def check_fits(model: nn.Module, units: Units, removal: Removal, numbers: str) -> None:
    """Raise PruningError, saying why and what would do, where the smaller model has no GGUF form.

    Which units are pruned does not matter, and no weights are held. `numbers` is one of `FORMATS`: where
    those are stored in blocks, what is left of a width must be whole blocks, if the dense width was.
    """
    check_format(numbers)
    family: Any = type(model)
    with torch.device("meta"):
        dense = family(copy.deepcopy(model.config))
        cut = smaller(dense, units, removal)
    layout = layout_of(cut)
    stored_tensors(cut, layout)
    _check_blocks(layout_of(dense), layout, removal, numbers)


def check_format(numbers: str) -> None:
    """Raise PruningError for a number format that is none of `FORMATS`."""
    if numbers not in FORMATS:
        raise PruningError(f'GGUF has no "{numbers}" here. Use one of {", ".join(FORMATS)}.')


def _check_blocks(dense: Layout, left: Layout, removal: Removal, numbers: str) -> None:
    kept = [layer for layer in range(len(dense.heads)) if layer not in removal.layers]
    for new, old in enumerate(kept):
        widths = (
            ("neurons", dense.neurons[old], left.neurons[new], 1),
            ("heads", dense.heads[old], left.heads[new], left.head_size),
        )
        for kind, before, after, size in widths:
            why = why_not_filled(old, kind, (before, after, size), numbers)
            if why:
                step = step_of(before, size, numbers)
                raise PruningError(
                    f"{why}. Round with --round-to {step} (round_to in the recipe), or choose f16."
                )
