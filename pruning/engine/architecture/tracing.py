"""Watching a few tokens go through a model, to find out what its modules do; no name is looked at."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

TRACE_TOKENS = 4


@dataclass(frozen=True)
class Call:
    """One call of a linear module (name within its layer), with what went in and what came out."""

    name: str
    module: nn.Module
    given: torch.Tensor
    result: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Output and input features."""
        return self.result.shape[-1], self.given.shape[-1]


def is_linear(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, Conv1D))


@contextmanager
def watched(
    model: nn.Module, layers: list[tuple[str, nn.Module]]
) -> Iterator[tuple[dict[str, list[Call]], dict[str, tuple[tuple, dict]]]]:
    """Records, per layer name, the calls of linear modules in order and the arguments of the layer itself."""
    calls: dict[str, list[Call]] = {name: [] for name, _ in layers}
    arguments: dict[str, tuple[tuple, dict]] = {}
    training = [module for module in model.modules() if module.training]
    with ExitStack() as stack:
        for layer_name, layer in layers:

            def keep(_: nn.Module, args: tuple, kwargs: dict, layer_name: str = layer_name) -> None:
                arguments[layer_name] = (args, kwargs)

            stack.callback(layer.register_forward_pre_hook(keep, with_kwargs=True).remove)
            for name, module in layer.named_modules():
                if is_linear(module):
                    stack.callback(module.register_forward_hook(_noting(calls[layer_name], name)).remove)
        try:
            for module in training:
                module.training = False  # dropout would blur which way things go
            yield calls, arguments
        finally:
            for module in training:
                module.training = True


def _noting(calls: list[Call], name: str) -> Callable[[nn.Module, tuple, torch.Tensor], None]:
    def note(module: nn.Module, args: tuple, result: torch.Tensor) -> None:
        calls.append(Call(name, module, args[0], result))

    return note


def run_few_tokens(model: nn.Module) -> None:
    base: Any = model.base_model
    device = next(model.parameters()).device
    with torch.no_grad():
        base(input_ids=torch.arange(TRACE_TOKENS, device=device).unsqueeze(0), use_cache=False)


@contextmanager
def forward_replaced(module: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before
