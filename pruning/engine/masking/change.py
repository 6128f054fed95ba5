"""What is done to a model, as a value; putting it on the model, and taking it back bit for bit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.architecture.units import Removal
from pruning.planning.recipe.plan import Group


@dataclass(frozen=True)
class WeightChange:
    """What becomes of the groups it names: `removed` bool [out, in], True = zero.

    `weights` [out, in] take the place of the group's weights where those that stay change as well; they
    hold the zeros already. `biases` are modules whose bias becomes zero. `units` are what goes whole.
    """

    removed: Mapping[Group, torch.Tensor]
    weights: Mapping[Group, torch.Tensor] = field(default_factory=dict)
    biases: tuple[str, ...] = ()
    units: Removal | None = None


@contextmanager
def applied_change(model: nn.Module, groups: Sequence[GroupInfo], change: WeightChange) -> Iterator[None]:
    """The model with the change while open; the weights that were there come back bit for bit.

    Takes as much memory again as the weights of the changed groups: whole copies are put back many times
    faster than picked weights.
    """
    saved: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        with torch.no_grad():
            for group in groups:
                key = (group.layer, group.kind)
                if key in change.weights:
                    saved += put_weight(model, group, change.weights[key])
                elif key in change.removed:
                    dense = torch.cat([weight_view(model, part) for part in group.parts])
                    saved += put_weight(model, group, dense.masked_fill(change.removed[key], 0))
            for name in change.biases:
                bias: torch.Tensor = model.get_submodule(name).bias.detach()  # type: ignore[operator]
                saved.append((bias, bias.clone()))
                bias.zero_()
        yield
    finally:
        put_back(saved)


def put_weight(
    model: nn.Module, group: GroupInfo, weight: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Give a group a new weight [out, in], *in place*; returns what `put_back` needs to undo it."""
    saved, start = [], 0
    with torch.no_grad():
        for part in group.parts:
            view = weight_view(model, part)
            saved.append((view, view.clone()))
            view.copy_(weight[start : start + view.shape[0]])
            start += view.shape[0]
    return saved


def put_back(saved: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Copy values back into the views they were taken from, *in place*."""
    with torch.no_grad():
        for view, values in saved:
            view.copy_(values)
