"""Tensors that are worked through one by one, of which most may lie in files."""

import itertools
import weakref
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group

# What a list keeps in memory before it begins to write, where it may.
KEPT_BYTES = 16 * 2**20
_NUMBER = itertools.count()
_VALUES = "values"


class Batches(Sequence[torch.Tensor]):
    """Tensors, batch after batch, each as it was appended, bit for bit.

    Parameters
    ----------
    scratch
        The folder where those are written that are too many for memory; None keeps all in memory.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._all: list[torch.Tensor | Path] = []
        self._bytes = 0
        self._files: list[Path] = []
        weakref.finalize(self, _delete, self._files)

    def append(self, tensor: torch.Tensor) -> None:
        """Raises PruningError where the disk is full."""
        self._bytes += tensor.nbytes
        if self._scratch is None or self._bytes <= KEPT_BYTES:
            self._all.append(tensor)
            return
        path = _written(tensor, self._scratch)
        self._files.append(path)
        self._all.append(path)

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, index: int) -> torch.Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[torch.Tensor]: ...

    def __getitem__(self, index: int | slice) -> torch.Tensor | Sequence[torch.Tensor]:
        if isinstance(index, slice):
            return [_read(each) for each in self._all[index]]
        return _read(self._all[index])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (_read(each) for each in self._all)


class GroupTensors(MutableMapping[Group, torch.Tensor]):
    """A tensor for each of many groups, read from its file whenever it is asked for; masks are bits.

    Parameters
    ----------
    scratch
        The folder for the files, which are deleted with the mapping.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._shapes: dict[Group, tuple[Path, torch.dtype, torch.Size]] = {}
        self._files: list[Path] = []
        weakref.finalize(self, _delete, self._files)

    def __setitem__(self, group: Group, tensor: torch.Tensor) -> None:
        packed = tensor
        if tensor.dtype == torch.bool:
            packed = torch.from_numpy(np.packbits(tensor.cpu().numpy()))
        path = _written(packed, self._scratch)
        if group in self._shapes:
            self._shapes[group][0].unlink(missing_ok=True)
        self._files.append(path)
        self._shapes[group] = path, tensor.dtype, tensor.shape

    def __getitem__(self, group: Group) -> torch.Tensor:
        path, dtype, shape = self._shapes[group]
        values = _read(path)
        if dtype != torch.bool:
            return values
        bits = np.unpackbits(values.numpy(), count=shape.numel())
        return torch.from_numpy(bits.view(bool)).view(shape)

    def __delitem__(self, group: Group) -> None:
        self._shapes.pop(group)[0].unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def group_tensors(scratch: Path | None) -> MutableMapping[Group, torch.Tensor]:
    """Where tensors of all groups are gathered: in memory, or in files of the folder `scratch`."""
    return {} if scratch is None else GroupTensors(scratch)


def _written(tensor: torch.Tensor, scratch: Path) -> Path:
    path = scratch / f"tensor-{next(_NUMBER)}.safetensors"
    try:
        save_file({_VALUES: tensor.detach().cpu().contiguous()}, path)
    except (OSError, SafetensorError) as error:
        path.unlink(missing_ok=True)
        raise PruningError(
            f"What does not fit into memory could not be written to {scratch} ({error}). Make room on that "
            "disk."
        ) from None
    return path


def _read(kept: torch.Tensor | Path) -> torch.Tensor:
    return load_file(kept)[_VALUES] if isinstance(kept, Path) else kept


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
