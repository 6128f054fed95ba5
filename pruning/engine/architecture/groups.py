"""The groups of a model: in every decoder layer the weights of qkv, attn_out, gate, up, down.

They are found from the structure: which linear layers a decoder layer has, in which order they are called,
what goes into them and what comes out of them. No name of one model family is used.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.paging import paged_of
from pruning.engine.architecture.tracing import Call, forward_replaced, is_linear, run_few_tokens, watched
from pruning.errors import PruningError
from pruning.planning.recipe.plan import KINDS, Group
from pruning.wording import counted


@dataclass(frozen=True)
class Part:
    """A linear module by qualified name, or its output rows [start, stop) where several kinds are fused."""

    module: str
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class GroupInfo:
    """The weights of one kind in one decoder layer; `parameters` counts weights, not biases.

    Its weight [out, in] is that of its `parts` one below the other.
    """

    layer: int
    kind: str
    parts: tuple[Part, ...]
    parameters: int

    @property
    def key(self) -> Group:
        """What plans, masks and criterion inputs call the group: (layer, kind)."""
        return self.layer, self.kind


_Piece = tuple[Call, tuple[int, int] | None]  # a linear module's call, and the output rows that are meant


def find_groups(model: nn.Module) -> list[GroupInfo]:
    """All groups of a causal language model, by layer and then in the order of KINDS.

    Runs a few tokens through the model, without gradients, and leaves it as it was.

    Raises
    ------
    PruningError
        Naming layer and module, when a layer holds weights whose part in it is not understood.
    """
    layers = decoder_layers(model)
    shared = [name for name, count in _weight_uses(layers).items() if count > 1]
    if shared:
        raise _not_understood(shared[0], "its weight is used by more than one module")
    groups = []
    with watched(model, layers) as (calls, layer_arguments):
        run_few_tokens(model)
        for index, (name, layer) in enumerate(layers):
            if name not in layer_arguments:
                raise _not_understood(name, "the layer is not used in a forward pass")
            args, kwargs = layer_arguments[name]
            kinds = _layer_kinds(name, layer, list(calls[name]), partial(layer, *args, **kwargs))
            groups += [_group(model, index, kind, kinds[kind]) for kind in KINDS if kind in kinds]
    return groups


def _group(model: nn.Module, layer: int, kind: str, parts: tuple[Part, ...]) -> GroupInfo:
    return GroupInfo(layer, kind, parts, sum(prod(weight_shape(model, part)) for part in parts))


def group_weight(model: nn.Module, group: GroupInfo) -> torch.Tensor:
    """The group's weights as one float32 matrix [out, in]; a copy, never a view."""
    return torch.cat([weight_view(model, part).detach().float() for part in group.parts])


def weight_view(model: nn.Module, part: Part) -> torch.Tensor:
    """The weight of `part` as [out, in], sharing memory with the model: in-place writes change the model.

    Where layers stay in files they do so until the next layer is brought.
    """
    paged = paged_of(model)
    if paged is not None:
        paged.bring_module(part.module)
    weight: torch.Tensor = model.get_submodule(part.module).weight.detach()  # type: ignore[operator]
    return view_of(model, part, weight)


def weight_shape(model: nn.Module, part: Part) -> tuple[int, int]:
    """Rows and columns of the weight of `part`, [out, in]; no values are looked at."""
    weight: torch.Tensor = model.get_submodule(part.module).weight.detach()  # type: ignore[operator]
    rows, columns = view_of(model, part, weight).shape
    return rows, columns


def view_of(model: nn.Module, part: Part, values: torch.Tensor) -> torch.Tensor:
    """What belongs to `part` in values of the shape of its module's weight, as [out, in]; a view."""
    if isinstance(model.get_submodule(part.module), Conv1D):
        values = values.T
    return values if part.rows is None else values[part.rows[0] : part.rows[1]]


def decoder_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Qualified name and module of every decoder layer, in the order in which they are run.

    They are the outermost module list all of whose members hold an attention module. Raises PruningError
    when there is no such list, or more than one.
    """
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    candidates = [
        (name, layers) for name, layers in lists if len(layers) and all(map(attention_name, layers))
    ]
    if len(candidates) != 1:
        names = ", ".join(name for name, _ in candidates)
        what = f"several lists of layers ({names})" if candidates else "no list of decoder layers"
        raise PruningError(
            f"{type(model).__name__} has {what}. Only decoder-only language models, with attention in every "
            "layer, can be pruned."
        )
    name, layers = candidates[0]
    return [(f"{name}.{index}", layer) for index, layer in enumerate(layers)]


def attention_name(layer: nn.Module) -> str | None:
    """Name of the layer's child that is given the attention mask."""
    for name, child in layer.named_children():
        if "attention_mask" in inspect.signature(child.forward).parameters:
            return name
    return None


def _weight_uses(layers: list[tuple[str, nn.Module]]) -> Counter[str]:
    """How often each linear weight occurs in the layers, by the name of the first module that has it."""
    first: dict[int, str] = {}
    uses: Counter[str] = Counter()
    for layer_name, layer in layers:
        for name, module in layer.named_modules(remove_duplicate=False):
            if is_linear(module):
                uses[first.setdefault(id(module.weight), f"{layer_name}.{name}")] += 1
    return uses


def _not_understood(name: str, reason: str) -> PruningError:
    return PruningError(
        f"The structure of this model is not understood at {name}: {reason}. Models with dense attention and "
        "MLP layers can be pruned; mixture-of-experts, adapters and other layouts cannot yet."
    )


def _layer_kinds(
    layer_name: str, layer: nn.Module, calls: list[Call], rerun: Callable[[], Any]
) -> dict[str, tuple[Part, ...]]:
    """The parts of each kind in one layer, from the calls recorded in it; `rerun` runs the layer again."""
    _check_all_linear(layer_name, layer, calls)
    prefix = f"{attention_name(layer)}."
    inside = [call for call in calls if call.name.startswith(prefix)]
    outside = [call for call in calls if not call.name.startswith(prefix)]
    kinds = {**_attention_kinds(layer_name, inside), **_mlp_kinds(layer_name, inside, outside, rerun)}
    return {
        kind: tuple(Part(f"{layer_name}.{call.name}", rows) for call, rows in pieces)
        for kind, pieces in kinds.items()
    }


def _check_all_linear(layer_name: str, layer: nn.Module, calls: list[Call]) -> None:
    """Every matrix in the layer must be the weight of a linear module that was called exactly once."""
    counts = Counter(call.name for call in calls)
    for name, module in layer.named_modules():
        if is_linear(module) and counts[name] != 1:
            times = f"called {counted(counts[name], 'time')}" if counts[name] else "not called"
            raise _not_understood(f"{layer_name}.{name}", f"it is {times} in a forward pass")
    called = {f"{name}.weight" for name in counts}
    for name, parameter in layer.named_parameters():
        if parameter.ndim >= 2 and name not in called:
            shape = " x ".join(map(str, parameter.shape))
            raise _not_understood(f"{layer_name}.{name}", f"its {shape} weights are not in a linear module")


def _attention_kinds(layer_name: str, calls: list[Call]) -> dict[str, list[_Piece]]:
    """The linear module called last is attn_out; the others must all be given the layer's hidden states."""
    if len(calls) < 2:
        raise _not_understood(layer_name, "its attention has fewer than two linear modules")
    *qkv, out = calls
    for call in qkv:
        if not _same_tensor(call.given, qkv[0].given):
            raise _not_understood(f"{layer_name}.{call.name}", "its input is not the input of the attention")
    if _same_tensor(out.given, qkv[0].given) or out.shape[0] != qkv[0].shape[1]:
        reason = "it does not lead from the heads to the hidden states"
        raise _not_understood(f"{layer_name}.{out.name}", reason)
    return {"qkv": [(call, None) for call in qkv], "attn_out": [(out, None)]}


def _mlp_kinds(
    layer_name: str, attention: list[Call], calls: list[Call], rerun: Callable[[], Any]
) -> dict[str, list[_Piece]]:
    """The linear module called last is down; before it comes up, gate and up, or both fused in one module."""
    if len(calls) < 2:
        raise _not_understood(layer_name, "its MLP has fewer than two linear modules")
    *first, down = calls
    hidden, width = down.shape
    for call in first:
        if not _same_tensor(call.given, first[0].given) or call.shape[1] != hidden:
            raise _not_understood(f"{layer_name}.{call.name}", "its input is not the input of the MLP")
    widths = [call.shape[0] for call in first]
    if widths == [width]:
        return {"up": [(first[0], None)], "down": [(down, None)]}
    if widths == [width, width]:
        halves: list[_Piece] = [(first[0], None), (first[1], None)]
    elif widths == [2 * width]:
        halves = [(first[0], (0, width)), (first[0], (width, 2 * width))]
    else:
        reason = f"its {width} inputs do not fit the {widths} outputs before it"
        raise _not_understood(f"{layer_name}.{down.name}", reason)
    gate, up = _gate_and_up(layer_name, halves, down, [*attention, *calls], rerun)
    return {"gate": [gate], "up": [up], "down": [(down, None)]}


def _gate_and_up(
    layer_name: str, halves: list[_Piece], down: Call, calls: list[Call], rerun: Callable[[], Any]
) -> tuple[_Piece, _Piece]:
    """Tell the gate from up by what they do: what goes into down is linear in up, and not in the gate.

    The layer is run again with a ramp of values -3..3 in place of each half, and with its negative: where
    that negates the input of down, the half is up.
    """
    plain = _down_input((1.0, 1.0), halves, down, calls, rerun)
    changed = (_down_input(signs, halves, down, calls, rerun) for signs in ((-1.0, 1.0), (1.0, -1.0)))
    linear = [torch.equal(given, -plain) for given in changed]
    if linear == [False, True]:
        return halves[0], halves[1]
    if linear == [True, False]:
        return halves[1], halves[0]
    names = " and ".join(dict.fromkeys(call.name for call, _ in halves))
    raise _not_understood(f"{layer_name}.{down.name}", f"gate and up cannot be told apart in {names}")


def _down_input(
    signs: tuple[float, float],
    halves: list[_Piece],
    down: Call,
    calls: list[Call],
    rerun: Callable[[], Any],
) -> torch.Tensor:
    """What down is given when each half puts out its sign times a ramp; no linear module is computed."""
    answers = {call.name: call.result for call in calls}
    ramp = torch.linspace(-3, 3, down.shape[1]).to(down.given).expand(down.given.shape)
    for name in {call.name for call, _ in halves}:
        answers[name] = torch.cat(
            [sign * ramp for sign, (call, _) in zip(signs, halves, strict=True) if call.name == name], dim=-1
        )
    recorded: list[torch.Tensor] = []
    with ExitStack() as stack:
        for call in calls:

            def answer(given: torch.Tensor, call: Call = call) -> torch.Tensor:
                if call is down:
                    recorded.append(given)
                return answers[call.name]

            stack.enter_context(forward_replaced(call.module, answer))
        with torch.no_grad():
            rerun()
    return recorded[0]


def _same_tensor(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.data_ptr() == right.data_ptr() and left.shape == right.shape
