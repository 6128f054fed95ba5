"""The weights of a pruned model as they are written: cut, in their number format, a piece at a time."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.paging import tensor_of
from pruning.engine.architecture.safetensors_file import Entry, as_bytes
from pruning.engine.architecture.units import Removal, Units, pruned_columns, pruned_rows
from pruning.engine.models.file_names import file_names as names_in_files
from pruning.engine.structured.surgery import bare, form_of, smaller
from pruning.errors import PruningError
from pruning.model_files.number_formats import Formats

# Rows of a tensor that are read together take at most so many bytes.
PIECE = 4 * 2**20


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned model that is written, and how.

    Attributes
    ----------
    model, tokenizer
        The model as it is in memory, full-size, with zeros where it is pruned; neither is ever changed.
    formats
        The number formats that it is written in.
    exact
        Where loading rounded the weights: the dense model with the checkpoint's own values.
    units, removal
        What is cut out of the tensors.
    """

    model: Any
    tokenizer: Any
    formats: Formats = field(default_factory=lambda: Formats("float32"))
    exact: Any = None
    units: Units | None = None
    removal: Removal = field(default_factory=Removal)


@dataclass(frozen=True, eq=False)
class Weights:
    """What is written of a `Pruned`, by name in the written model.

    Attributes
    ----------
    skeleton
        The written model without values: its configuration and shapes.
    sources
        What each tensor is called in the model in memory; tied ones have the same source.
    file_names
        What each tensor that is in the files is called there; of tied ones the first is.
    """

    pruned: Pruned
    skeleton: Any
    sources: Mapping[str, str]
    file_names: Mapping[str, str]
    rows: Mapping[str, Sequence[int]]
    columns: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, pruned: Pruned, described: bool = True) -> "Weights":
        """Work out names and shapes; no values are read.

        Raises PruningError where no configuration of the family describes what is left and it has to be
        `described`.
        """
        skeleton = bare(pruned.model)
        rows: Mapping[str, Sequence[int]] = {}
        columns: Mapping[str, Sequence[int]] = {}
        if pruned.units is not None:
            by_layer = _by_layer(pruned, described)
            skeleton = smaller(skeleton, pruned.units, pruned.removal, by_layer=by_layer)
            rows, columns = (f(pruned.units, pruned.removal) for f in (pruned_rows, pruned_columns))
        before = earlier_names(pruned)
        first: dict[int, str] = {}
        sources, in_files = {}, []
        ours = pruned.model.state_dict(keep_vars=True)
        for name in skeleton.state_dict():
            source = before(name)
            sources[name] = first.setdefault(id(ours[source]), source)
            if sources[name] == source:
                in_files.append(name)
        # transformers knows the names of checkpoints by its own classes, and not of a class that is bundled.
        bundled = skeleton.config.get_text_config().is_heterogeneous
        file_names = {name: name for name in in_files} if bundled else names_in_files(skeleton, in_files)
        return cls(pruned, skeleton, sources, file_names, rows, columns)

    @property
    def by_layer(self) -> bool:
        """Whether layers differ in width, which the family's own class does not know of."""
        return bool(self.skeleton.config.get_text_config().is_heterogeneous)

    def entries(self) -> list[Entry]:
        """What the files hold, in the model's order."""
        shapes = self.skeleton.state_dict()
        return [
            Entry(file_name, tuple(shapes[name].shape), self.dtype_of(name))
            for name, file_name in self.file_names.items()
        ]

    def dtype_of(self, name: str) -> torch.dtype:
        """The number format that a tensor is written in."""
        source = self.sources[name]
        tensor = tensor_of(self.pruned.model, source)
        if not tensor.is_floating_point():
            return tensor.dtype
        dtype: torch.dtype = getattr(torch, self.pruned.formats.of(source))
        return dtype

    def pieces(self, name: str) -> Iterator[torch.Tensor]:
        """The values of a tensor as they are written, by rows; several megabytes at a time."""
        source, dtype = self.sources[name], self.dtype_of(name)
        ours = tensor_of(self.pruned.model, source)
        exact = None if self.pruned.exact is None else tensor_of(self.pruned.exact, source)
        if not ours.ndim:
            yield _written(ours, exact, dtype)
            return
        kept = self._kept(source, ours)
        count = max(1, PIECE // max(1, 4 * ours[0].numel()))
        total = len(ours) if kept[0] is None else len(kept[0])
        for start in range(0, total, count):
            rows = slice(start, start + count) if kept[0] is None else kept[0][start : start + count]
            part = _written(ours[rows], None if exact is None else exact[rows], dtype)
            yield part if kept[1] is None else part[:, kept[1]]

    def digests(self) -> dict[str, str]:
        """By name, what every tensor's written values come to; see `loaded_alone.digest`."""
        of_sources: dict[str, str] = {}
        for name, source in self.sources.items():
            if source not in of_sources:
                digest = hashlib.blake2b(digest_size=16)
                for piece in self.pieces(name):
                    digest.update(as_bytes(piece.float() if piece.is_floating_point() else piece))
                of_sources[source] = digest.hexdigest()
        return {name: of_sources[source] for name, source in self.sources.items()}

    def _kept(self, source: str, tensor: torch.Tensor) -> list[torch.Tensor | None]:
        """Which indices of the first dimension stay, and which of the second; None where all do."""
        module, _, kind = source.rpartition(".")
        removed = [self.rows.get(module), self.columns.get(module) if kind == "weight" else None]
        if kind == "weight" and isinstance(self.pruned.model.get_submodule(module), Conv1D):
            removed.reverse()
        return [None if not gone else _others(tensor.shape[axis], gone) for axis, gone in enumerate(removed)]


@contextmanager
def as_written(model: nn.Module, formats: Formats) -> Iterator[None]:
    """While open, each module computes with the values that are left once they are written in `formats`.

    Those are there only while the module runs, and not in its place: the weights themselves are not changed.
    """
    handles = []
    for path, module in model.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            dtype = getattr(torch, formats.of(f"{path}.{name}"))
            if not _fits(tensor_of(model, f"{path}.{name}"), dtype):
                handles += _rounding(module, name, dtype)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_layer(pruned: Pruned, described: bool) -> bool:
    """Whether the configuration says of each layer what it has; see `Weights.of`."""
    if pruned.units is None:
        return False
    try:
        return form_of(pruned.model, pruned.units, pruned.removal) == "by layer"
    except PruningError:
        if described:
            raise
        return False


def _rounding(module: nn.Module, name: str, dtype: torch.dtype) -> list[Any]:
    held: list[torch.Tensor] = []

    def before(*_: Any) -> None:
        parameter: nn.Parameter = getattr(module, name)
        held.append(parameter.data)
        parameter.data = parameter.data.to(dtype).to(parameter.dtype)

    def after(*_: Any) -> None:
        getattr(module, name).data = held.pop()

    return [
        module.register_forward_pre_hook(before),
        module.register_forward_hook(after, always_call=True),
    ]


def _fits(tensor: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether another number format holds every value."""
    rows = tensor.reshape(-1)
    return all(torch.equal(part, part.to(dtype).to(part.dtype)) for part in rows.split(PIECE // 4))


def _written(ours: torch.Tensor, exact: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    """Values in the format they are written in: the checkpoint's own where they are not changed."""
    if not ours.is_floating_point():
        return ours
    if exact is None:
        return ours.to(dtype)
    exact = exact.to(ours.device)
    return torch.where(exact.to(ours.dtype) == ours, exact.to(dtype), ours.to(dtype))


def _others(size: int, removed: Sequence[int]) -> torch.Tensor:
    kept = torch.ones(size, dtype=torch.bool)
    kept[list(removed)] = False
    return kept.nonzero().flatten()


def earlier_names(pruned: Pruned) -> Callable[[str], str]:
    """From names in the written model to names in the model in memory, whose layers have other numbers."""
    layers = [name for name, _ in decoder_layers(pruned.model)]
    path = layers[0].rpartition(".")[0] + "."
    kept = [number for number in range(len(layers)) if number not in pruned.removal.layers]

    def earlier(name: str) -> str:
        if not name.startswith(path):
            return name
        number, _, rest = name.removeprefix(path).partition(".")
        return f"{path}{kept[int(number)]}.{rest}"

    return earlier
