"""Whether a model's layers stay on disk and come into memory one at a time."""

import math

import psutil

from pruning.errors import PruningError
from pruning.model_files.checkpoint import DTYPE_BYTES, Checkpoint, safetensors_shapes

AUTO, YES, NO = STREAMS = ("auto", "yes", "no")
# What a task holds beside the weights, at least, as a share of them: a pruned model's other values.
BESIDE = 1.0


def is_streamed(checkpoint: Checkpoint, dtype: str, choice: str = AUTO) -> bool:
    """Whether the layers stay in their files: as chosen, or where the memory that is free does not hold them.

    Parameters
    ----------
    checkpoint
        The model's folder. Only safetensors can be read layer by layer.
    dtype
        The number format that is computed in.
    choice
        One of `STREAMS`.

    Raises
    ------
    PruningError
        There is no such choice.
    """
    if choice not in STREAMS:
        raise PruningError(f'"{choice}" is not a way to load a model. Choose one of {", ".join(STREAMS)}.')
    if choice != AUTO or checkpoint.pickled or checkpoint.compact:
        return choice == YES
    weights = sum(math.prod(s) for file in checkpoint.weights for s in safetensors_shapes(file).values())
    return weights * DTYPE_BYTES[dtype] * (1 + BESIDE) > psutil.virtual_memory().available
