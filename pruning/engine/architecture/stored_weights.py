"""Weights as a checkpoint's files hold them, one at a time, for as long as the files are kept open."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from pruning.model_files.checkpoint import read_folder, safetensors_header

# From a name to the weight in the files; None where they have none of that name.
Read = Callable[[str], torch.Tensor | None]
_LENGTH_BYTES = 8
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class StoredWeights:
    """The weights of files that are open, by name; `places` has file, first byte and header entry of each."""

    places: Mapping[str, tuple[BufferedReader, int, Mapping[str, Any]]]
    _reading: Lock = field(default_factory=Lock)

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def __call__(self, name: str) -> torch.Tensor | None:
        """The weight of that name; None where there is none, or in a format that is not understood."""
        if name not in self.places or self.places[name][2]["dtype"] not in _DTYPES:
            return None
        file, start, entry = self.places[name]
        begin, end = entry["data_offsets"]
        data = bytearray(end - begin)
        with self._reading:
            file.seek(start + begin)
            if not data or file.readinto(data) < len(data):
                return None
        return torch.frombuffer(data, dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])

    def ahead(self, names: Iterable[str]) -> None:
        """Let the system read these weights meanwhile, where it can be asked to."""
        if not hasattr(os, "posix_fadvise"):
            return
        for file, start, entry in (self.places[name] for name in names if name in self.places):
            begin, end = entry["data_offsets"]
            os.posix_fadvise(file.fileno(), start + begin, end - begin, os.POSIX_FADV_WILLNEED)


@contextmanager
def stored_weights(folder: str | Path | None) -> Iterator[StoredWeights]:
    """Gives what reads a weight of a folder's safetensors files; it holds none in memory itself.

    The files are open meanwhile, so that they can be read though they were removed. Of pickled and of compact
    weights, and where there is no folder, nothing is read.
    """
    checkpoint = None if folder is None else read_folder(Path(folder))
    places: dict[str, tuple[BufferedReader, int, Mapping[str, Any]]] = {}
    with ExitStack() as stack:
        for path in () if checkpoint is None or checkpoint.pickled else checkpoint.weights:
            header, length = safetensors_header(path)
            file = stack.enter_context(path.open("rb"))
            start = _LENGTH_BYTES + length
            places |= {name: (file, start, entry) for name, entry in header.items() if "dtype" in entry}
        yield StoredWeights(places)
