"""What the header of a GGUF file says. No weights are read.

The format is specified in docs/gguf.md of the ggml project.
"""

import math
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from pruning.errors import PruningError
from pruning.model_files.checkpoint import LARGEST_HEADER, UNREADABLE, damaged

# By the number of a metadata value's type its `struct` format; strings and arrays are apart.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Where a file that was written here carries the configuration of the model it was made of.
OWN_CONFIG = "prunescope.config"


@dataclass(frozen=True)
class Place:
    """Where a tensor stands: its shape (rows last), the number of its type, the first byte in the file."""

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Gguf:
    """The header of a GGUF file: metadata (arrays as their length), and by name where every tensor stands."""

    metadata: dict[str, Any]
    places: dict[str, Place]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, rows last."""
        return {name: place.shape for name, place in self.places.items()}


def gguf_header(path: Path) -> Gguf:
    """Read the header of a GGUF file. Raises PruningError when it is not one, is damaged or cut short."""
    if path.exists() and not path.is_file():
        raise PruningError(f"{path} is no GGUF file, and no file at all. Give a GGUF file.")
    import gguf  # costs a third of a second, for numpy and its tables of tensor types

    sizes = {int(kind): pair for kind, pair in gguf.GGML_QUANT_SIZES.items()}
    try:
        with path.open("rb") as file:
            magic, version, tensors, keys = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in (2, 3) or max(tensors, keys) > 1_000_000:
                raise ValueError("it does not begin like a GGUF file")
            metadata = {_string(file): _value(file, *_numbers(file, "I")) for _ in range(keys)}
            places: dict[str, Place] = {}
            end = 0
            for _ in range(tensors):
                name, (dimensions,) = _string(file), _numbers(file, "I")
                shape = _numbers(file, f"{min(dimensions, 8)}Q")
                kind, offset = _numbers(file, "IQ")
                places[name] = Place(shape, kind, offset)
                block, block_bytes = sizes[kind]
                end = max(end, offset + math.prod(shape) // block * block_bytes)
            alignment = int(metadata.get("general.alignment", 32))
            if alignment < 1:
                raise ValueError(f"it is aligned to {alignment} bytes")
            start = -(-file.tell() // alignment) * alignment
        size = path.stat().st_size
    except (*UNREADABLE, MemoryError, RecursionError) as error:
        raise PruningError(damaged(path, error)) from None
    if size < start + end:
        raise PruningError(damaged(path, f"{size:,} bytes where its header asks for {start + end:,}"))
    return Gguf(
        metadata, {name: replace(place, offset=start + place.offset) for name, place in places.items()}
    )


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _string(file: BinaryIO) -> str:
    (length,) = _numbers(file, "Q")
    if length > LARGEST_HEADER:
        raise ValueError("a name in it is impossibly long")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("its header is cut short")
    return text.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """A metadata value; of an array only its length, as vocabularies have very many entries."""
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _numbers(file, _SCALARS[kind])[0]
    member, count = _numbers(file, "IQ")
    if count > LARGEST_HEADER:
        raise ValueError("a list in it is impossibly long")
    if member in _SCALARS:
        file.seek(count * struct.calcsize(f"<{_SCALARS[member]}"), os.SEEK_CUR)
        return count
    for _ in range(count):
        _value(file, member)
    return count
