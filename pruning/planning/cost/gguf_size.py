"""How large a GGUF file would be, worked out from a model's parts. No torch.

Which format a matrix takes is decided here, for the writer too; tests hold the sizes to written files.
"""

from pruning.planning.cost.parts import Parts, without
from pruning.planning.recipe.plan import Plan

# By number format how many weights of a row share a scale, and the bytes that they take together.
BLOCKS = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q4_0": (32, 18),
    "q4_k": (256, 144),
}
# A width that fills no blocks takes the first of these that it fills.
_WIDER = ("q8_0", "f16")
_FOUR_BITS = ("q4_0", "q4_k")
_VECTOR_BYTES = 4


def gguf_weight_bytes(parts: Parts, plan: Plan, numbers: str, round_to: int | None = None) -> int:
    """Bytes of all tensors of a file once the plan's units are cut out; single weights stay, as zeros.

    `numbers` is one of `BLOCKS`. Vectors, and positions that are looked up, are in float32; where the rest
    has 4 bits, embedding and head have 8.
    """
    left = without(parts, plan, round_to)
    hidden = next(columns for (_, kind), (_, columns) in parts.shapes.items() if kind == "qkv")
    groups = sum(rows * row_bytes(columns, numbers) for rows, columns in left.shapes.values())
    # Every word has a row in the head, and as wide a one in the embedding; what else is looked up are places.
    words = row_bytes(hidden, of_words(numbers)) * (left.head // hidden)
    places = left.embedding - left.head
    return groups + words * (1 if left.tied else 2) + _VECTOR_BYTES * (places + left.rest)


def row_bytes(columns: int, numbers: str) -> int:
    """Bytes of a row of a matrix."""
    block, size = BLOCKS[fitting(columns, numbers)]
    return columns // block * size


def fitting(columns: int, numbers: str) -> str:
    """The format of a matrix with so many columns: `numbers`, or a wider one whose blocks they fill."""
    return next(name for name in (numbers, *_WIDER) if columns % BLOCKS[name][0] == 0)


def of_words(numbers: str) -> str:
    """The format of embedding and head, where errors count most: 8 bits where the rest has 4."""
    return "q8_0" if numbers in _FOUR_BITS else numbers
