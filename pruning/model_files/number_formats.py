"""The number formats in which a checkpoint holds its weights."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pruning.errors import PruningError
from pruning.model_files.checkpoint import (
    DTYPE_BYTES,
    UNREADABLE,
    VALUES,
    Checkpoint,
    damaged,
    safetensors_header,
)

_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class Formats:
    """`usual`: the format of most weights, float32, bfloat16 or float16. `others`: by name the format of the
    weights that have another."""

    usual: str
    others: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """The format of a weight."""
        return self.others.get(name, self.usual)

    def fit(self, dtype: str) -> bool:
        """Whether numbers of the format `dtype` hold every weight exactly."""
        return dtype == "float32" or {self.usual, *self.others.values()} == {dtype}


def weight_formats(checkpoint: Checkpoint) -> Formats:
    """What the weights' own files say; of pickled ones what the configuration says, else float32.

    Raises PruningError when a file is damaged.
    """
    if checkpoint.pickled:
        said = str(checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype"))
        return Formats(said if said in DTYPE_BYTES else "float32")
    found: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    for path in checkpoint.weights:
        try:
            header, _ = safetensors_header(path)
            for name, entry in header.items():
                if name != "__metadata__" and entry["dtype"] in _NAMES:
                    dtype = found[name.removesuffix(VALUES)] = _NAMES[entry["dtype"]]
                    start, end = entry["data_offsets"]
                    sizes[dtype] += end - start
        except UNREADABLE as error:
            raise PruningError(damaged(path, error)) from None
    usual = max(sizes, key=sizes.__getitem__, default="float32")
    return Formats(usual, {name: dtype for name, dtype in found.items() if dtype != usual})
