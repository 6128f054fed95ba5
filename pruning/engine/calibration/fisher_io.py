"""Fisher factors in a safetensors file, so that later questions need no pass over the data."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from pruning.engine.calibration.fisher import FisherFactors, Statistics, StatisticsIdentity
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group

# The names in the file; files in workspaces have them, so they stay whatever the fields are called.
STORED_NAMES = {
    "score_inputs": "score_inputs",
    "score_outputs": "score_outputs",
    "input_covariance": "inputs",
    "output_second_moment": "outputs",
    "sample_inputs": "sample_inputs",
    "sample_gradients": "sample_outputs",
    "sample_weights": "sample_weights",
    "outlier_inputs": "apart_inputs",
    "outlier_gradients": "apart_outputs",
    "scored": "scored",
}
_FIELDS = {name: field for field, name in STORED_NAMES.items()}


def save(statistics: Statistics, path: Path) -> None:
    """Write to a safetensors file, whole or not at all; tensors that groups share are written once."""
    tensors: dict[str, torch.Tensor] = {}
    names: dict[int, str] = {}
    index: dict[str, dict[str, str]] = {}
    for (layer, kind), factors in statistics.groups.items():
        entry = index.setdefault(f"{layer}.{kind}", {})
        for field, stored in STORED_NAMES.items():
            tensor = getattr(factors, field)
            name = names.setdefault(id(tensor), f"{layer}.{kind}.{stored}")
            tensors[name] = tensor.contiguous().cpu()
            entry[stored] = name
    identity = statistics.identity
    about = {"fingerprint": identity.fingerprint, "data_fingerprint": identity.data_fingerprint}
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
    groups: dict[Group, FisherFactors] = {}
    for key, entry in json.loads(metadata["index"]).items():
        layer, kind = key.split(".")
        factors = {_FIELDS[stored]: tensors[name] for stored, name in entry.items()}
        groups[int(layer), kind] = FisherFactors(**factors)
    identity = StatisticsIdentity(metadata["fingerprint"], metadata["data_fingerprint"])
    return Statistics(identity, int(metadata["tokens"]), groups)
