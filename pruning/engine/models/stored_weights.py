"""Weights as a checkpoint's files hold them, one at a time, for as long as the files are kept open."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch

from pruning.model_files.checkpoint import read_folder, safetensors_header

# From a name to the weight in the files; None where they have none of that name.
Read = Callable[[str], torch.Tensor | None]
_LENGTH_BYTES = 8
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@contextmanager
def stored_weights(folder: str | None) -> Iterator[Read]:
    """Gives what reads a weight of a folder's safetensors files; it holds none in memory itself.

    The files are open meanwhile, so that they can be read though they were removed. Of pickled weights, and
    where there is no folder, nothing is read.
    """
    checkpoint = None if folder is None else read_folder(Path(folder))
    places: dict[str, tuple[BufferedReader, int, dict[str, Any]]] = {}
    with ExitStack() as stack:
        for path in () if checkpoint is None or checkpoint.pickled else checkpoint.weights:
            header, length = safetensors_header(path)
            file = stack.enter_context(path.open("rb"))
            start = _LENGTH_BYTES + length
            places |= {name: (file, start, entry) for name, entry in header.items() if "dtype" in entry}

        def read(name: str) -> torch.Tensor | None:
            if name not in places or places[name][2]["dtype"] not in _DTYPES:
                return None
            file, start, entry = places[name]
            begin, end = entry["data_offsets"]
            data = bytearray(end - begin)
            file.seek(start + begin)
            if not data or file.readinto(data) < len(data):
                return None
            return torch.frombuffer(data, dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])

        yield read
