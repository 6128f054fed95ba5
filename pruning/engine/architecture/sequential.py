"""Calibration text on its way through a model, layer by layer, so that layers can change under it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import batches, hidden_states
from pruning.engine.architecture.groups import decoder_layers

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class SequentialPass:
    """Token windows as decoder layers see them: `states`, each [windows, length, hidden], as they enter the
    first layer, and beside them what each layer is called with besides its states."""

    states: list[torch.Tensor]
    arguments: dict[tuple[int, int], Arguments]

    def given(self, layer: int, windows: int) -> Arguments:
        """The layer's other arguments for a batch of so many windows."""
        return self.arguments[layer, windows]


@dataclass
class Recorded:
    """What linear modules were given [tokens, in] and put out [tokens, out], batch after batch, by name."""

    given: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    put: dict[str, list[torch.Tensor]] = field(default_factory=dict)


class _Enough(Exception):
    """What was wanted has been seen: the rest of the pass is of no use."""


def start_pass(model: nn.Module, windows: torch.Tensor) -> SequentialPass:
    """Token `windows` [n, length] up to the first decoder layer."""
    layers = [module for _, module in decoder_layers(model)]
    states: list[torch.Tensor] = []
    arguments: dict[tuple[int, int], Arguments] = {}
    for ids in batches(windows):
        known = (0, len(ids)) in arguments
        with ExitStack() as stack, torch.no_grad():
            for index, layer in enumerate(layers):

                def keep(
                    _: nn.Module, args: tuple, kwargs: dict, index: int = index, known: bool = known
                ) -> None:
                    given, rest = _apart(args, kwargs)
                    if index == 0:
                        states.append(given)
                    arguments[index, len(given)] = rest
                    if known:
                        raise _Enough

                stack.callback(layer.register_forward_pre_hook(keep, with_kwargs=True).remove)
            try:
                hidden_states(model, ids)
            except _Enough:
                continue
    return SequentialPass(states, arguments)


def _apart(args: tuple, kwargs: dict[str, Any]) -> tuple[torch.Tensor, Arguments]:
    """A layer's states, and its other arguments."""
    if args:
        return args[0], (args[1:], kwargs)
    return kwargs["hidden_states"], ((), {k: v for k, v in kwargs.items() if k != "hidden_states"})


def step_layer(
    layer: nn.Module,
    index: int,
    text: SequentialPass,
    states: Sequence[torch.Tensor],
    watch: Mapping[str, nn.Module],
    until: str | None = None,
) -> tuple[list[torch.Tensor], Recorded]:
    """`states` after the layer, and what the linear modules in `watch` did to them.

    With `until` the pass stops once that one of `watch` was called, and there are no states after.
    """
    seen = Recorded({name: [] for name in watch}, {name: [] for name in watch})
    with ExitStack() as stack, torch.no_grad():
        for name, module in watch.items():

            def note(_: nn.Module, args: tuple, result: torch.Tensor, name: str = name) -> None:
                seen.given[name].append(args[0].flatten(0, -2))
                seen.put[name].append(result.flatten(0, -2))
                if name == until:
                    raise _Enough

            stack.callback(module.register_forward_hook(note).remove)
        after = []
        for given in states:
            args, kwargs = text.given(index, len(given))
            with suppress(_Enough):
                after.append(layer(given, *args, **kwargs))
    return after, seen


def mean_product(left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over tokens of l rᵀ [left, right], of batches [tokens, left] and [tokens, right]."""
    total = torch.zeros(left[0].shape[1], right[0].shape[1], device=left[0].device)
    for one, other in zip(left, right, strict=True):
        total += one.float().T @ other.float()
    return total / sum(len(batch) for batch in left)
