"""What runs the model where its speed is told: PyTorch, or llama.cpp where it is installed."""

from __future__ import annotations

from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH, TIMED
from pruning.ui.data import queries

NAMES = {PYTORCH: "PyTorch here", LLAMA_CPP: "llama.cpp here"}


def numbers(dtype: str) -> str:
    """The number format that times are of, in words; `dtype` is the loaded model's."""
    return dtype if queries.engine() == PYTORCH else f"{TIMED} (8 bits), in llama.cpp"
