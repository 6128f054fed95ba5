"""A model computing with the values that a written file holds, one module at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

Load = Callable[[], torch.Tensor]


@contextmanager
def computing_with(model: nn.Module, values: Mapping[str, Load]) -> Iterator[None]:
    """While it holds, every module computes with other values of its parameters, in float32.

    They are loaded when the module is called and dropped after it: memory grows by one module. In the end the
    model's own values are back, the very same tensors.

    Parameters
    ----------
    model
        The model.
    values
        By the name of a parameter, what gives its values; all of its parameters are named.
    """
    parameters = {id(parameter): name for name, parameter in model.named_parameters()}
    own = {id(parameter): parameter.data for parameter in model.parameters()}
    with ExitStack() as stack:
        stack.callback(_give_back, model, own)
        for module in model.modules():
            mine = {name: p for name, p in module._parameters.items() if p is not None}
            if mine:
                loads = [(parameter, values[parameters[id(parameter)]]) for parameter in mine.values()]
                stack.callback(module.register_forward_pre_hook(_taking(loads)).remove)
                stack.callback(module.register_forward_hook(_returning(loads, own), always_call=True).remove)
        yield


def _taking(loads: list[tuple[nn.Parameter, Load]]) -> Callable[..., None]:
    def take(*_: Any) -> None:
        for parameter, load in loads:
            parameter.data = load().to(parameter.device)

    return take


def _returning(
    loads: list[tuple[nn.Parameter, Load]], own: Mapping[int, torch.Tensor]
) -> Callable[..., None]:
    def give_back(*_: Any) -> None:
        for parameter, _load in loads:
            parameter.data = own[id(parameter)]

    return give_back


def _give_back(model: nn.Module, own: Mapping[int, torch.Tensor]) -> None:
    for parameter in model.parameters():
        parameter.data = own[id(parameter)]
