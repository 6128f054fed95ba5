"""Writing safetensors files piece by piece: the library takes all tensors of a file at once, copied."""

import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

# What the format calls the formats of numbers.
_CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


@dataclass(frozen=True)
class Entry:
    """A tensor of a file, before its values are known."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


Pieces = Callable[[str], Iterable[torch.Tensor]]


def write_safetensors(
    path: Path, entries: Iterable[Entry], pieces: Pieces, metadata: Mapping[str, str]
) -> None:
    """Write a file; `pieces` gives the values of a tensor by its name, row by row, in any number of pieces.

    No more than a piece is in memory. What is written is on the disk when this returns.
    """
    ordered = sorted(entries, key=lambda entry: (-entry.dtype.itemsize, entry.name))
    with path.open("wb") as file:
        file.write(_header(ordered, metadata))
        for entry in ordered:
            written = 0
            for piece in pieces(entry.name):
                written += file.write(as_bytes(piece.to(entry.dtype)))
            if written != entry.nbytes:
                raise ValueError(f"{entry.name} has {written} bytes, not {entry.nbytes}")
        file.flush()
        os.fsync(file.fileno())


def as_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor, as they are in memory on the processor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def sharded(entries: Sequence[Entry], most: int) -> Iterator[list[Entry]]:
    """The entries in order, in lists of at most `most` bytes; a larger tensor has one to itself."""
    shard: list[Entry] = []
    for entry in entries:
        if shard and sum(other.nbytes for other in shard) + entry.nbytes > most:
            yield shard
            shard = []
        shard.append(entry)
    yield shard


def _header(entries: Iterable[Entry], metadata: Mapping[str, str]) -> bytes:
    described: dict[str, object] = {"__metadata__": dict(metadata)}
    start = 0
    for entry in entries:
        end = start + entry.nbytes
        described[entry.name] = {
            "dtype": _CODES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


class GrowingFile:
    """A safetensors file to which tensors are added one after the other, so that all are never in memory.

    The file's head, which says what follows, is written last, into room that is kept free for it.
    """

    def __init__(self, path: Path, head: int) -> None:
        """`head`: the bytes kept free."""
        self._file = path.open("wb")
        self._head = head + -head % _ALIGNMENT
        self._file.seek(8 + self._head)
        self._entries: list[Entry] = []

    def add(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write tensors; those of wider numbers first, so that each begins where its numbers may."""
        entries = [Entry(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()]
        for entry in sorted(entries, key=lambda entry: -entry.dtype.itemsize):
            self._write(entry, as_bytes(tensors[entry.name]))
        beyond = -sum(entry.nbytes for entry in entries) % _ALIGNMENT
        if beyond:
            filling = Entry(f"filling.{len(self._entries)}", (beyond,), torch.uint8)
            self._write(filling, memoryview(bytes(beyond)))

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the head and close the file; all is on the disk when this returns."""
        with self._file as file:
            header = _header(self._entries, metadata)
            if len(header) > 8 + self._head:
                raise ValueError(f"The head takes {len(header)} bytes, not {self._head}")
            file.seek(0)
            file.write(struct.pack("<Q", self._head) + header[8:].ljust(self._head))
            file.flush()
            os.fsync(file.fileno())

    def _write(self, entry: Entry, content: memoryview) -> None:
        self._file.write(content)
        self._entries.append(entry)
