"""The values of the tensors in a GGUF file, read one at a time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pruning.engine.models.gguf.numbers import FORMATS, Kind, bytes_of, restored
from pruning.engine.models.gguf.tensors import Stored
from pruning.model_files.gguf_header import gguf_header


class WrittenTensors:
    """The tensors of a file by name. Raises PruningError for one that is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = gguf_header(path).places

    def exact(self, names: Sequence[str]) -> bool:
        """Whether all tensors are in one of these number formats."""
        kinds = {FORMATS[name] for name in names}
        return {Kind(place.kind) for place in self._places.values()} <= kinds

    def values(self, name: str) -> np.ndarray:
        """A tensor, float32 [out, in]."""
        place = self._places[name]
        kind = Kind(place.kind)
        shape = bytes_of(place.shape[::-1], kind)
        data = np.memmap(self._path, np.uint8, "r", place.offset, shape)
        return restored(np.asarray(data), kind)

    def loads(
        self, tensor: Stored, parameter: Callable[[str], torch.Tensor]
    ) -> Mapping[str, Callable[[], torch.Tensor]]:
        """What gives each parameter that a tensor is made of."""
        rows = [parameter(name).shape[1 if tensor.transposed else 0] for name in tensor.sources]
        return {name: partial(self._one, tensor, rows, name) for name in tensor.sources}

    def _one(self, tensor: Stored, rows: Sequence[int], name: str) -> torch.Tensor:
        return tensor.parameters(self.values(tensor.name), rows)[name]
