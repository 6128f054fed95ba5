"""Fisher factors in a safetensors file, so that later questions need no pass over the data."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from pruning.engine.architecture.safetensors_file import GrowingFile
from pruning.engine.calibration.compact_factors import CompactFactors, CompactGroups, compact_groups
from pruning.engine.calibration.factors import FisherFactors, Statistics, StatisticsIdentity
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group

FORMAT = "2"
# The names in files of before the compact form; workspaces have them.
FIRST_NAMES = {
    "score_inputs": "score_inputs",
    "score_outputs": "score_outputs",
    "inputs": "input_covariance",
    "outputs": "output_second_moment",
    "sample_inputs": "sample_inputs",
    "sample_outputs": "sample_gradients",
    "sample_weights": "sample_weights",
    "apart_inputs": "outlier_inputs",
    "apart_outputs": "outlier_gradients",
    "scored": "scored",
}
# Bytes of a file's head that a group may need: the names, types and places of its tensors.
HEAD = 4096


class StatisticsFile:
    """A file of statistics in the making: groups are added layer by layer, and need not be in memory after.

    Tensors that groups of one call share are written once. The file at `path` is complete after `finish`.
    """

    def __init__(self, path: Path, groups: int) -> None:
        """`groups`: how many will be added, at most."""
        self._file = GrowingFile(path, HEAD * (groups + 1))
        self._index: dict[str, dict[str, str]] = {}

    def add(self, groups: Mapping[Group, CompactFactors]) -> None:
        """Write groups behind those that are there."""
        tensors: dict[str, torch.Tensor] = {}
        names: dict[int, str] = {}
        for (layer, kind), factors in groups.items():
            entry = self._index.setdefault(f"{layer}.{kind}", {})
            for field in fields(factors):
                tensor = getattr(factors, field.name)
                name = names.setdefault(id(tensor), f"{layer}.{kind}.{field.name}")
                tensors[name] = tensor
                entry[field.name] = name
        self._file.add(tensors)

    def finish(self, identity: StatisticsIdentity, tokens: int) -> None:
        """Write what the statistics are of, and close the file."""
        about = {"fingerprint": identity.fingerprint, "data_fingerprint": identity.data_fingerprint}
        index = json.dumps(self._index, separators=(",", ":"))
        self._file.finish({**about, "format": FORMAT, "tokens": str(tokens), "index": index})


def save(statistics: Statistics, path: Path) -> None:
    """Write to a safetensors file, whole or not at all; layer by layer, so that no copy of all is made."""

    def write(draft: Path) -> None:
        file = StatisticsFile(draft, len(statistics.groups))
        for layer in sorted({layer for layer, _ in statistics.groups}):
            file.add(_compact_layer(statistics.groups, layer))
        file.finish(statistics.identity, statistics.tokens)

    write_whole(path, write, "The statistics")


def _compact_layer(groups: Mapping[Group, FisherFactors], layer: int) -> dict[Group, CompactFactors]:
    keys = [key for key in groups if key[0] == layer]
    if isinstance(groups, CompactGroups):
        return {key: groups.kept[key] for key in keys}
    return compact_groups({key: groups[key] for key in keys})


def load(path: Path, device: torch.device | str = "cpu") -> Statistics:
    """Read what `save` wrote, now or before there was a compact form.

    Raises PruningError when the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path, device=str(device))
        entries: dict[Group, dict[str, torch.Tensor]] = {}
        for key, entry in json.loads(metadata["index"]).items():
            layer, kind = key.split(".")
            entries[int(layer), kind] = {field: tensors[name] for field, name in entry.items()}
        identity = StatisticsIdentity(metadata["fingerprint"], metadata["data_fingerprint"])
        return Statistics(identity, int(metadata["tokens"]), _groups(entries, metadata.get("format")))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PruningError(
            f"The statistics in {path} cannot be read ({error}); make the map again."
        ) from None


def _groups(
    entries: Mapping[Group, Mapping[str, torch.Tensor]], form: str | None
) -> Mapping[Group, FisherFactors]:
    if form is None:
        return {key: _first_form(entry) for key, entry in entries.items()}
    if form != FORMAT:
        raise ValueError(f"it has the format {form}, which this version does not know")
    return CompactGroups({key: CompactFactors(**entry) for key, entry in entries.items()})


def _first_form(entry: Mapping[str, torch.Tensor]) -> FisherFactors:
    """A group of a file of before; its sample stood for all ordinary positions alike."""
    factors = {FIRST_NAMES[stored]: tensor for stored, tensor in entry.items()}
    ordinary = (factors["sample_weights"].sum() * factors["scored"]).round()
    return FisherFactors(**factors, ordinary=ordinary)
