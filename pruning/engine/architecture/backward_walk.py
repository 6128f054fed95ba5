"""Gradients back through a model of which one layer at a time is in memory: each layer is run once more."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pruning.engine.architecture.forward import ending_with, hidden_states
from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.sequential import SequentialPass
from pruning.files import write_whole
from pruning.progress import Progress, silent

# From the number of a batch and what the head sees of it [windows, length, hidden] to the gradient there.
Send = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class BackwardWalk:
    """Token windows on their way through the layers and back, of which a folder holds what enters each layer.

    A walk that was cut off goes on from the layer it was at, in another process too, as long as it is made
    with the same model, windows and folder.

    Attributes
    ----------
    model
        Its weights get no gradients and are not changed.
    batches
        Token windows [n, length], batch after batch.
    folder
        Takes the states of all layers, in float32, and the gradients of one.
    """

    model: nn.Module
    batches: Sequence[torch.Tensor]
    folder: Path

    def layers(
        self,
        send: Send,
        begin: Callable[[int, int], None] = lambda layer, batch: None,
        progress: Progress = silent,
    ) -> Iterator[int]:
        """Give the number of each layer, the last first, once the gradients of all batches went through it.

        Whoever listens to the layer's modules has heard all of its batches then; `begin` is told the layer
        and the number of each batch before it is run with gradients. `send` is asked for the gradient behind
        the last layer, batch after batch in their order, unless the walk goes on from where it was.
        """
        names = [name for name, _ in decoder_layers(self.model)]
        count, parts = len(names), len(self.batches)
        total = count * 3 * parts
        windows_pass = self._forward(count, progress, total)
        left = next((layer for layer in range(count) if self._gradients(layer).exists()), None)
        if left is None:
            self._behind(count, send)
            left = count - 1
        for layer in range(left, -1, -1):
            states, gradients = _read(self._states(layer)), _read(self._gradients(layer))
            for number, (given, gradient) in enumerate(zip(states, gradients, strict=True)):
                begin(layer, number)
                gradients[number] = self._back(windows_pass, layer, given, gradient)
                done = count * parts + 2 * ((count - 1 - layer) * parts + number + 1)
                progress(done, total, f"Reading the text back through layer {layer}")
            yield layer
            if layer:
                _write(self._gradients(layer - 1), gradients)

    def _forward(self, count: int, progress: Progress, total: int) -> SequentialPass:
        """Bring the states up to behind the last layer into the folder, as far as they are not there."""
        windows_pass = SequentialPass.of_batches(self.model, self.batches)
        there = next((n for n in range(count, -1, -1) if self._states(n).exists()), None)
        if there is None:
            _write(self._states(0), list(windows_pass.states))
            there = 0
        for layer in range(there, count):
            after = windows_pass.step(layer, _read(self._states(layer)))
            _write(self._states(layer + 1), list(after))
            progress((layer + 1) * len(self.batches), total, f"Reading the text through layer {layer}")
        return windows_pass

    def _behind(self, count: int, send: Send) -> None:
        """Ask for the gradients at the end of the model, and bring them behind the last layer."""
        gradients = []
        for number, given in enumerate(_read(self._states(count))):
            given.requires_grad_(True)
            with ending_with(self.model, given), torch.enable_grad():
                hidden = hidden_states(self.model, self.batches[number])
            gradients.append(torch.autograd.grad(hidden, given, send(number, hidden))[0])
        _write(self._gradients(count - 1), gradients)

    def _back(
        self, windows_pass: SequentialPass, layer: int, given: torch.Tensor, gradient: torch.Tensor
    ) -> torch.Tensor:
        args, kwargs = windows_pass.arguments[layer, len(given)]
        given.requires_grad_(True)
        with torch.enable_grad():
            after = windows_pass.layers[layer](given, *args, **kwargs)
        return torch.autograd.grad(after, given, gradient.to(after.dtype))[0]

    def _states(self, layer: int) -> Path:
        return self.folder / f"states-{layer}.safetensors"

    def _gradients(self, layer: int) -> Path:
        return self.folder / f"gradients-{layer}.safetensors"


def _write(path: Path, batches: Sequence[torch.Tensor]) -> None:
    tensors = {str(number): batch.detach().cpu().contiguous() for number, batch in enumerate(batches)}
    write_whole(path, lambda draft: save_file(tensors, draft), "What is worked out layer by layer")


def _read(path: Path) -> list[torch.Tensor]:
    tensors = load_file(path)
    return [tensors[str(number)] for number in range(len(tensors))]
