"""Statistics in a safetensors file, so that later questions need no pass over the data."""

import json
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from pruning.engine.calibration.fisher import GroupStatistics, Statistics
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group


def save(statistics: Statistics, path: Path) -> None:
    """Write to a safetensors file, whole or not at all; tensors that groups share are written once."""
    tensors: dict[str, torch.Tensor] = {}
    names: dict[int, str] = {}
    index: dict[str, dict[str, str]] = {}
    for (layer, kind), group in statistics.groups.items():
        entry = index.setdefault(f"{layer}.{kind}", {})
        for item in fields(group):
            tensor = getattr(group, item.name)
            name = names.setdefault(id(tensor), f"{layer}.{kind}.{item.name}")
            tensors[name] = tensor.contiguous().cpu()
            entry[item.name] = name
    about = {"fingerprint": statistics.fingerprint, "data_fingerprint": statistics.data_fingerprint}
    metadata = {**about, "tokens": str(statistics.tokens), "index": json.dumps(index)}
    write_whole(path, lambda draft: save_file(tensors, draft, metadata=metadata), "The statistics")


def load(path: Path, device: torch.device | str = "cpu") -> Statistics:
    """Read what `save` wrote. Raises PruningError when the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise PruningError(
            f"The statistics in {path} cannot be read ({error}); make the map again."
        ) from None
    groups: dict[Group, GroupStatistics] = {}
    for key, entry in json.loads(metadata["index"]).items():
        layer, kind = key.split(".")
        groups[int(layer), kind] = GroupStatistics(**{field: tensors[name] for field, name in entry.items()})
    return Statistics(metadata["fingerprint"], metadata["data_fingerprint"], int(metadata["tokens"]), groups)
