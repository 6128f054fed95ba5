"""What is done to a model, as a value; putting it on the model, and restoring it bit for bit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part, view_of, weight_view
from pruning.engine.architecture.paging import Undo, paged_of
from pruning.engine.architecture.units import Removal
from pruning.engine.linalg.memory import release_memory
from pruning.engine.models.stored_weights import Read
from pruning.planning.recipe.plan import Group

# What takes each write back.
Saved = list[Undo]


@dataclass(frozen=True)
class WeightChange:
    """What pruning makes of a model, put on it by `applied_change`.

    Attributes
    ----------
    removed
        By group which weights are pruned, bool [out, in], True = zero.
    weights
        By group the weights [out, in] that take the place of its own, where the kept ones change as well;
        they hold the zeros already.
    biases
        Modules whose bias becomes zero.
    units
        The units that are pruned, where units are.
    """

    removed: Mapping[Group, torch.Tensor]
    weights: Mapping[Group, torch.Tensor] = field(default_factory=dict)
    biases: tuple[str, ...] = ()
    units: Removal | None = None


@contextmanager
def applied_change(
    model: nn.Module, groups: Sequence[GroupInfo], change: WeightChange, stored: Read | None = None
) -> Iterator[None]:
    """Put the change on the dense model *in place* while open; closing restores every weight bit for bit.

    It does so in `finally`, also when the body raises. Takes as much memory again as the weights of the
    changed groups: whole copies are put back many times faster than picked weights. With `stored`, what reads
    weights from the model's files, there is a copy only of those that are not in them bit for bit; the others
    are read again, which takes longer.
    """
    saved: Saved = []
    try:
        with torch.no_grad():
            for group in groups:
                if group.key in change.weights:
                    saved += put_weight(model, group, change.weights[group.key], stored)
                elif group.key in change.removed:
                    dense = torch.cat([weight_view(model, part) for part in group.parts])
                    saved += put_weight(model, group, dense.masked_fill(change.removed[group.key], 0), stored)
            for name in change.biases:
                saved.append(_silenced(model, name))
        if stored is not None:
            release_memory()
        yield
    finally:
        put_back(saved)


def put_weight(model: nn.Module, group: GroupInfo, weight: torch.Tensor, stored: Read | None = None) -> Saved:
    """Give a group a new weight [out, in], *in place*; returns what `put_back` needs to restore it.

    Of a model whose layers stay in files the new weight goes to a file as well: nothing of it stays in
    memory.
    """
    saved, start, paged = Saved(), 0, paged_of(model)
    with torch.no_grad():
        for part in group.parts:
            view = weight_view(model, part)
            values = weight[start : start + view.shape[0]]
            start += view.shape[0]
            if paged is not None:
                view.copy_(values)
                saved.append(paged.keep(f"{part.module}.weight"))
                continue
            before = _stored_values(model, part, view, stored) or partial(_itself, view.clone())
            saved.append(partial(_restore, view, before))
            view.copy_(values)
    return saved


def _restore(view: torch.Tensor, values: Callable[[], torch.Tensor]) -> None:
    view.copy_(values())


def _itself(values: torch.Tensor) -> torch.Tensor:
    return values


def _silenced(model: nn.Module, module: str) -> Undo:
    """Make a module's bias zero, *in place*; returns what takes it back."""
    paged = paged_of(model)
    if paged is not None:
        paged.bring_module(module)
    bias: torch.Tensor = model.get_submodule(module).bias.detach()  # type: ignore[operator]
    before = bias.clone()
    bias.zero_()
    return (
        partial(_restore, bias, partial(_itself, before)) if paged is None else paged.keep(f"{module}.bias")
    )


def _stored_values(
    model: nn.Module, part: Part, view: torch.Tensor, stored: Read | None
) -> Callable[[], torch.Tensor] | None:
    """What reads a part's values from the model's files; None where they do not hold the very bits."""
    if stored is None:
        return None
    shape = model.get_submodule(part.module).weight.shape

    def read() -> torch.Tensor:
        values = stored(f"{part.module}.weight")
        if values is None or values.shape != shape:
            raise LookupError(part.module)
        return view_of(model, part, values.to(view.device, view.dtype))

    with suppress(LookupError):
        now, then = (values.contiguous().view(torch.uint8) for values in (view, read()))
        if torch.equal(now, then):
            return read
    return None


def put_back(saved: Saved) -> None:
    """Restore what was written, *in place*; the last first, since a weight may have been given more than one
    new value."""
    with torch.no_grad():
        for undo in reversed(saved):
            undo()
