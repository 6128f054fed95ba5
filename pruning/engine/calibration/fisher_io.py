"""Fisher factors in a safetensors file, so that later questions need no pass over the data."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open

from pruning.engine.architecture.safetensors_file import GrowingFile
from pruning.engine.calibration.compact_factors import CompactFactors, CompactGroups, compact_groups
from pruning.engine.calibration.factors import FisherFactors, Statistics, StatisticsIdentity
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group

Factors = TypeVar("Factors")

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
            for each in fields(factors):
                tensor = getattr(factors, each.name)
                name = names.setdefault(id(tensor), f"{layer}.{kind}.{each.name}")
                tensors[name] = tensor
                entry[each.name] = name
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


def join(parts: Sequence[Path], path: Path) -> None:
    """Make one file of several that hold the statistics of one model on one text, each of other groups."""

    def write(draft: Path) -> None:
        all_parts = [load(part) for part in parts]
        file = StatisticsFile(draft, sum(len(part.groups) for part in all_parts))
        for part in all_parts:
            for layer in sorted({layer for layer, _ in part.groups}):
                file.add(_compact_layer(part.groups, layer))
        file.finish(all_parts[0].identity, all_parts[0].tokens)

    write_whole(path, write, "The statistics")


def load(path: Path, device: torch.device | str = "cpu") -> Statistics:
    """What `save` wrote, now or before there was a compact form; a group is read when it is asked for.

    Raises PruningError when the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            there = set(file.keys())
        index: dict[Group, dict[str, str]] = {}
        for key, entry in json.loads(metadata["index"]).items():
            layer, kind = key.split(".")
            index[int(layer), kind] = entry
            if set(entry.values()) - there:
                raise KeyError(f"{key} is not all there")
        identity = StatisticsIdentity(metadata["fingerprint"], metadata["data_fingerprint"])
        stored = _StoredGroups(path, torch.device(device), index)
        return Statistics(identity, int(metadata["tokens"]), _groups(stored, metadata.get("format")))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> PruningError:
    return PruningError(f"The statistics in {path} cannot be read ({error}); make the map again.")


@dataclass
class _StoredGroups:
    """The tensors of a file's groups; those of the layer that was asked for last are in memory."""

    path: Path
    device: torch.device
    index: Mapping[Group, Mapping[str, str]]
    layer: int = -1
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    def fields(self, group: Group) -> dict[str, torch.Tensor]:
        """The tensors of a group by field; those that groups share are the very same."""
        if group[0] != self.layer:
            self.layer, self.tensors = group[0], {}
        names = self.index[group]
        try:
            with safe_open(self.path, framework="pt", device=str(self.device)) as file:
                for name in set(names.values()) - self.tensors.keys():
                    self.tensors[name] = file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise _unreadable(self.path, error) from None
        return {field: self.tensors[name] for field, name in names.items()}


class _StoredFactors(Mapping[Group, Factors]):
    """The factors of a file's groups, each made of its tensors when it is asked for."""

    def __init__(self, stored: _StoredGroups, make: Callable[[Mapping[str, torch.Tensor]], Factors]) -> None:
        self._stored, self._make = stored, make

    def __getitem__(self, group: Group) -> Factors:
        return self._make(self._stored.fields(group))

    def __iter__(self) -> Iterator[Group]:
        return iter(self._stored.index)

    def __len__(self) -> int:
        return len(self._stored.index)


def _groups(stored: _StoredGroups, form: str | None) -> Mapping[Group, FisherFactors]:
    if form is None:
        return _StoredFactors(stored, _first_form)
    if form != FORMAT:
        raise ValueError(f"it has the format {form}, which this version does not know")
    return CompactGroups(_StoredFactors(stored, lambda entry: CompactFactors(**entry)))


def _first_form(entry: Mapping[str, torch.Tensor]) -> FisherFactors:
    """A group of a file of before; its sample stood for all ordinary positions alike."""
    factors = {FIRST_NAMES[stored]: tensor for stored, tensor in entry.items()}
    ordinary = (factors["sample_weights"].sum() * factors["scored"]).round()
    return FisherFactors(**factors, ordinary=ordinary)
