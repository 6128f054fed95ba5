"""The sequential (layer-by-layer) pass: calibration text on its way through a model whose layers change."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from pruning.engine.architecture.forward import batches, hidden_states
from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.paging import scratch_of
from pruning.engine.architecture.spilled import Batches

States = Sequence[torch.Tensor]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Recorded:
    """What linear modules did in one step, by name and batch after batch.

    Attributes
    ----------
    inputs
        What each module was given, [tokens, in] a batch.
    outputs
        What those put out whose outputs were asked for, [tokens, out] a batch.
    """

    inputs: dict[str, Batches] = field(default_factory=dict)
    outputs: dict[str, Batches] = field(default_factory=dict)


@dataclass(frozen=True)
class SequentialPass:
    """Token windows that go through the decoder layers one by one, so that a layer can change in between.

    The states between two layers belong to the caller, who passes them from step to step: the same pass
    serves for the dense and the pruned model side by side.

    Attributes
    ----------
    layers
        The decoder layers, in the order in which they are run.
    states
        [windows, length, hidden] a batch, as they enter the first layer.
    arguments
        What each layer is called with besides its states, by (layer, windows in the batch).
    scratch
        Where states are written that are too many for memory; None keeps all in memory.
    """

    layers: tuple[nn.Module, ...]
    states: States
    arguments: Mapping[tuple[int, int], Arguments]
    scratch: Path | None = None

    @classmethod
    def start(cls, model: nn.Module, windows: torch.Tensor) -> Self:
        """Token `windows` [n, length] up to the first decoder layer; the model is not changed."""
        return cls.of_batches(model, batches(windows))

    @classmethod
    def of_batches(cls, model: nn.Module, windows: Iterable[torch.Tensor]) -> Self:
        """The same of windows that are in batches already, each [n, length]."""
        layers = tuple(module for _, module in decoder_layers(model))
        scratch = scratch_of(model)
        states = Batches(scratch)
        arguments: dict[tuple[int, int], Arguments] = {}
        for ids in windows:
            _run_up_to_layers(model, layers, ids, states, arguments)
        return cls(layers, states, arguments, scratch)

    def step(self, layer: int, states: Sequence[torch.Tensor]) -> States:
        """`states` [windows, length, hidden], a batch each, after decoder layer number `layer`."""
        return self.record(layer, states, {})[0]

    def record(
        self,
        layer: int,
        states: Sequence[torch.Tensor],
        watch: Mapping[str, nn.Module],
        until: str | None = None,
        outputs: Collection[str] = (),
    ) -> tuple[States, Recorded]:
        """As `step`, and what linear modules of the layer were given and put out on the way.

        Parameters
        ----------
        layer
            Number of the decoder layer.
        states
            [windows, length, hidden] a batch, as they enter the layer.
        watch
            The linear modules to record, by a name of the caller's choice.
        until
            The name of the one after which the step stops, so that there are no states after.
        outputs
            The names of those whose outputs are recorded too.
        """
        recorded = Recorded(
            {name: Batches(self.scratch) for name in watch},
            {name: Batches(self.scratch) for name in outputs},
        )
        with ExitStack() as stack, torch.no_grad():
            for name, module in watch.items():

                def note(_: nn.Module, args: tuple, result: torch.Tensor, name: str = name) -> None:
                    recorded.inputs[name].append(args[0].flatten(0, -2))
                    if name in outputs:
                        recorded.outputs[name].append(result.flatten(0, -2))
                    if name == until:
                        raise _Enough

                stack.callback(module.register_forward_hook(note).remove)
            after = Batches(self.scratch)
            for batch in states:
                args, kwargs = self.arguments[layer, len(batch)]
                with suppress(_Enough):
                    after.append(self.layers[layer](batch, *args, **kwargs))
        return after, recorded


class _Enough(Exception):
    """All that is needed was recorded: the rest of the pass is of no use."""


def _run_up_to_layers(
    model: nn.Module,
    layers: Sequence[nn.Module],
    ids: torch.Tensor,
    states: Batches,
    arguments: dict[tuple[int, int], Arguments],
) -> None:
    """Add one batch's states and, for a new number of windows, what all layers are called with besides."""
    complete = (0, len(ids)) in arguments
    with ExitStack() as stack, torch.no_grad():
        for index, layer in enumerate(layers):

            def keep(_: nn.Module, args: tuple, kwargs: dict, index: int = index) -> None:
                entering, others = _split_arguments(args, kwargs)
                if index == 0:
                    states.append(entering)
                arguments[index, len(entering)] = others
                if complete:
                    raise _Enough

            stack.callback(layer.register_forward_pre_hook(keep, with_kwargs=True).remove)
        with suppress(_Enough):
            hidden_states(model, ids)


def _split_arguments(args: tuple, kwargs: dict[str, Any]) -> tuple[torch.Tensor, Arguments]:
    """A layer's states, and its other arguments."""
    if args:
        return args[0], (args[1:], kwargs)
    return kwargs["hidden_states"], ((), {k: v for k, v in kwargs.items() if k != "hidden_states"})
