"""The number formats of GGUF: which tensor takes which, its bytes, and its values in it and back."""

from collections.abc import Callable

import gguf
import numpy as np

from pruning.errors import PruningError
from pruning.planning.cost.gguf_size import fitting, of_words

Kind = gguf.GGMLQuantizationType
FORMATS = {
    "f32": Kind.F32,
    "f16": Kind.F16,
    "bf16": Kind.BF16,
    "q8_0": Kind.Q8_0,
    "q4_0": Kind.Q4_0,
    "q4_k": Kind.Q4_K,
}
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
    "q4_k": gguf.LlamaFileType.MOSTLY_Q4_K_S,
}
# The largest number of float16.
_LARGEST = 65504.0


def kind_of(name: str, shape: tuple[int, ...], format_name: str) -> Kind:
    """The format of one tensor of the file.

    Vectors and positions are kept in float32. A width that fills no blocks (576 of 256) takes a wider format.
    """
    if len(shape) < 2 or name.startswith("position_embd"):
        return Kind.F32
    wanted = of_words(format_name) if name.startswith(("token_embd", "output.")) else format_name
    return FORMATS[fitting(shape[-1], wanted)]


def bytes_of(shape: tuple[int, ...], kind: Kind) -> tuple[int, ...]:
    """The shape in bytes of a tensor stored in `kind`."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return (*shape[:-1], shape[-1] // block * size)


def stored(name: str, values: np.ndarray, kind: Kind, four_bit: Callable[..., np.ndarray]) -> np.ndarray:
    """Values in a format; `four_bit` quantizes what gguf's own code does not: (rows, number of the type).

    Raises PruningError for numbers that float16 does not hold.
    """
    if kind == Kind.Q4_K:
        return four_bit(values, int(kind))
    if kind == Kind.F16 and np.abs(values).max(initial=0.0) > _LARGEST:
        raise PruningError(
            f"{name} holds numbers above {_LARGEST:,.0f}, the most that f16 can say. Use bf16 or f32."
        )
    result: np.ndarray = gguf.quants.quantize(values, kind)
    return result


def restored(blocks: np.ndarray, kind: Kind) -> np.ndarray:
    """float32 values of what `stored` made."""
    values: np.ndarray = gguf.quants.dequantize(blocks, kind)
    return values
