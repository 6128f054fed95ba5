"""Models larger than memory: decoder layers whose weights stay in files until the layer is used.

One layer is in memory at a time. It comes when it is called, or when somebody looks at its weights, and the
one before goes: so whatever walks through the layers in their order reads each from its file once.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pruning.engine.models.stored_weights import Read
from pruning.errors import PruningError

Undo = Callable[[], None]

_VALUES = "values"


@dataclass(frozen=True)
class _Place:
    """Where a parameter belongs: its layer, its module and its name there; `absent` stands there meanwhile,
    on the device "meta"."""

    layer: int
    module: nn.Module
    name: str
    absent: nn.Parameter


class PagedLayers:
    """The decoder layers of one model, of which one at a time is in memory.

    Attributes
    ----------
    scratch
        A folder for what does not stay in memory; it is deleted with the model.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, nn.Module]],
        read: Read,
        ahead: Callable[[Sequence[str]], None],
        device: torch.device,
        scratch: Path,
    ) -> None:
        self.scratch = scratch
        self._read, self._ahead, self._device = read, ahead, device
        self._dtype = next(layers[0][1].parameters()).dtype
        self._here: int | None = None
        self._changed: dict[str, Path] = {}
        self._files = 0
        self._names: list[list[str]] = []
        self._places: dict[str, _Place] = {}
        for index, (path, layer) in enumerate(layers):
            self._names.append([])
            for name, parameter in layer.named_parameters():
                module, _, own = name.rpartition(".")
                full = f"{path}.{name}"
                self._names[index].append(full)
                self._places[full] = _Place(index, layer.get_submodule(module), own, parameter)

    def bring(self, layer: int) -> None:
        """Have the weights of a layer in memory, and no others'.

        Raises PruningError where the files cannot be read any more.
        """
        if layer == self._here:
            return
        following = layer + (1 if self._here is None or layer > self._here else -1)
        self.release()
        self._here = layer
        for name in self._names[layer]:
            self._set(name, self._values(name))
        if 0 <= following < len(self._names):
            self._ahead([name for name in self._names[following] if name not in self._changed])

    def bring_module(self, module: str) -> None:
        """Have the layer in memory that a module, by its qualified name, is part of; others always are."""
        place = self._places.get(f"{module}.weight")
        if place is not None:
            self.bring(place.layer)

    def release(self) -> None:
        """Have no layer in memory."""
        if self._here is not None:
            for name in self._names[self._here]:
                place = self._places[name]
                place.module._parameters[place.name] = place.absent
        self._here = None

    def tensor(self, name: str) -> torch.Tensor | None:
        """A parameter's values as they are now, without bringing its layer; None for one outside the layers.

        Raises PruningError where the files cannot be read any more.
        """
        place = self._places.get(name)
        if place is None:
            return None
        if place.layer == self._here:
            parameter = place.module._parameters[place.name]
            return None if parameter is None else parameter.detach()
        return self._values(name)

    def as_computed(self, tensor: torch.Tensor) -> torch.Tensor:
        """Values in the number format that is computed in; integers as they are."""
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor

    def keep(self, name: str) -> Undo:
        """Keep what was written *in place* to a parameter that is in memory; returns what takes it back."""
        self._files += 1
        path = self.new_file(f"{self._files}")
        values = self.tensor(name)
        if values is None:
            raise LookupError(name)
        _save(values, path)
        before = self._changed.get(name)
        self._changed[name] = path

        def undo() -> None:
            if before is None:
                self._changed.pop(name, None)
            else:
                self._changed[name] = before
            path.unlink(missing_ok=True)
            if self._places[name].layer == self._here:
                self._set(name, self._values(name))

        return undo

    def new_file(self, name: str) -> Path:
        """Where a file of this name may be written, which is deleted with the model."""
        return self.scratch / f"{name}.safetensors"

    def _values(self, name: str) -> torch.Tensor:
        place, changed = self._places[name], self._changed.get(name)
        if changed is not None:
            values = load_file(changed)[_VALUES]
        else:
            stored = self._read(name)
            if stored is None or stored.shape != place.absent.shape:
                raise PruningError(f"The weights {name} can no longer be read. Load the model again.")
            values = stored
        return values.to(self._device, place.absent.dtype)

    def _set(self, name: str, values: torch.Tensor) -> None:
        place = self._places[name]
        place.module._parameters[place.name] = nn.Parameter(values, requires_grad=False)


_PAGED: "weakref.WeakKeyDictionary[nn.Module, PagedLayers]" = weakref.WeakKeyDictionary()


def paged_of(model: nn.Module) -> PagedLayers | None:
    """The model's layers where they stay in files; None for a model that is in memory whole."""
    return _PAGED.get(model)


def scratch_of(model: nn.Module) -> Path | None:
    """Where what a walk through the model's layers leaves may be written; None where memory is enough."""
    paged = paged_of(model)
    return None if paged is None else paged.scratch


def page(
    model: nn.Module,
    layers: Sequence[tuple[str, nn.Module]],
    read: Read,
    ahead: Callable[[Sequence[str]], None],
    device: torch.device,
    files: ExitStack,
) -> None:
    """Let the parameters of `layers`, which are on the device "meta", come from files, *in place*.

    Parameters
    ----------
    model
        All other parameters must be in memory.
    layers
        Its decoder layers by qualified name, in the order in which they are run.
    read
        Reads a weight by its name in the model.
    ahead
        Told the names of weights that will be wanted next.
    device
        Where they are brought.
    files
        What `read` has open; closed with the model.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=_scratch_folder()))
    paged = PagedLayers(layers, read, ahead, device, scratch)
    for index, (_, layer) in enumerate(layers):

        def come(module: nn.Module, _: object, index: int = index) -> None:
            # A layer that is passed over for the moment needs no weights.
            if "forward" not in vars(module):
                paged.bring(index)

        layer.register_forward_pre_hook(come, prepend=True)
    _PAGED[model] = paged
    weakref.finalize(model, _forget, files, scratch)


def _forget(files: ExitStack, scratch: Path) -> None:
    files.close()
    shutil.rmtree(scratch, ignore_errors=True)


def _scratch_folder() -> Path:
    """The folder for what does not fit into memory; what killed processes left there is deleted."""
    from pruning.model_files.checkpoint import cache_folder

    folder = cache_folder() / "streaming"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return folder


def _is_alive(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


def _save(values: torch.Tensor, path: Path) -> None:
    try:
        save_file({_VALUES: values.contiguous().cpu()}, path)
    except Exception as error:  # safetensors and the system each have their own for a full disk
        with suppress(OSError):
            path.unlink()
        raise PruningError(
            f"The changed weights could not be written to {path.parent} ({error}). Make room on that disk."
        ) from None


def tensor_of(model: nn.Module, name: str) -> torch.Tensor:
    """A parameter or buffer by its qualified name; of a paged layer its values are read, and not kept."""
    paged = paged_of(model)
    stored = None if paged is None else paged.tensor(name)
    if stored is not None:
        return stored
    module, _, own = name.rpartition(".")
    tensor: torch.Tensor = getattr(model.get_submodule(module), own)
    return tensor.detach()


def tensors_of(model: nn.Module) -> Mapping[str, Callable[[], torch.Tensor]]:
    """By name, sorted, what gives each tensor of the model's state; tied ones once, under the first name.

    Of a paged model values are read when they are asked for, and are not kept.
    """
    first: dict[int, str] = {}
    for name, tensor in sorted(model.state_dict(keep_vars=True).items()):
        first.setdefault(id(tensor), name)
    return {name: partial(tensor_of, model, name) for name in first.values()}
