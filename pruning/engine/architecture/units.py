"""The units of structured pruning: neurons, heads and KV groups, and where their weights live.

A neuron is a row of gate and of up with the matching column of down. A head is a block of columns of
attn_out with the rows of qkv that feed it alone; heads that read the same keys and values form a KV group.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.groups import GroupInfo, Part, decoder_layers, weight_shape
from pruning.engine.architecture.tracing import TRACE_TOKENS, forward_replaced, run_few_tokens, watched
from pruning.errors import PruningError

# The group whose input columns belong to a unit of each kind within a layer.
COLUMN_KIND = {"neurons": "down", "heads": "attn_out", "kv_groups": "attn_out"}


@dataclass(frozen=True)
class Neurons:
    """The neurons of one layer: row j of each of `rows`, and column j of `down`."""

    rows: tuple[Part, ...]
    down: Part
    count: int


@dataclass(frozen=True)
class Heads:
    """The heads of one layer: head i has the rows `queries[i]` and columns [i·size, (i+1)·size) of `out`.

    It reads the keys and values of KV group `group_of[i]`, which are the rows `keys_values[group]`.
    """

    queries: tuple[tuple[Part, ...], ...]
    keys_values: tuple[tuple[Part, ...], ...]
    group_of: tuple[int, ...]
    out: Part
    size: int

    @property
    def count(self) -> int:
        return len(self.queries)

    @property
    def groups(self) -> int:
        return len(self.keys_values)

    def members(self, group: int) -> list[int]:
        """The heads of one KV group."""
        return [head for head, its_group in enumerate(self.group_of) if its_group == group]

    def columns(self, heads: Iterable[int]) -> list[int]:
        """The columns of `out` that belong to `heads`."""
        return [column for head in heads for column in range(head * self.size, (head + 1) * self.size)]


@dataclass(frozen=True)
class Units:
    """All units of a model by layer; `layers` are the qualified names of its decoder layers."""

    layers: tuple[str, ...]
    neurons: Mapping[int, Neurons]
    heads: Mapping[int, Heads]

    def totals(self, kind: str) -> dict[int, int]:
        """How many neurons, heads or KV groups each layer has."""
        if kind == "neurons":
            return {layer: neurons.count for layer, neurons in self.neurons.items()}
        return {
            layer: heads.count if kind == "heads" else heads.groups for layer, heads in self.heads.items()
        }

    def columns_per_unit(self, layer: int, kind: str) -> int:
        """How many columns of down or attn_out belong to one unit."""
        if kind == "neurons":
            return 1
        heads = self.heads[layer]
        return heads.size * (len(heads.members(0)) if kind == "kv_groups" else 1)


@dataclass(frozen=True)
class Removal:
    """The pruned units, by layer, ascending; a KV group is pruned with the last of its heads."""

    neurons: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    heads: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    layers: tuple[int, ...] = ()


def find_units(model: nn.Module, groups: Sequence[GroupInfo], heads: bool = True) -> Units:
    """The units of a model with the given groups; its heads are looked for only with `heads`.

    Raises PruningError where the heads of a layer do not come apart.
    """
    names = tuple(name for name, _ in decoder_layers(model))
    return Units(names, find_neurons(model, groups), find_heads(model, groups) if heads else {})


def find_neurons(model: nn.Module, groups: Sequence[GroupInfo]) -> dict[int, Neurons]:
    """The neurons of each layer, from the groups gate, up and down."""
    parts = {group.key: group.parts[0] for group in groups}
    neurons = {}
    for (layer, kind), down in parts.items():
        if kind == "down":
            rows = tuple(parts[layer, name] for name in ("gate", "up") if (layer, name) in parts)
            neurons[layer] = Neurons(rows, down, weight_shape(model, down)[1])
    return neurons


def find_heads(model: nn.Module, groups: Sequence[GroupInfo]) -> dict[int, Heads]:
    """The heads of each layer, from which outputs of qkv reach which inputs of attn_out.

    Runs a few tokens through the model and leaves it as it was.

    Raises
    ------
    PruningError
        Where heads do not come apart, for instance because all of them are normed together.
    """
    config: Any = model.config
    configs = config.get_text_config().per_layer_config
    layers = decoder_layers(model)
    heads = {}
    with watched(model, layers) as (_, arguments):
        run_few_tokens(model)
        for index, (name, layer) in enumerate(layers):
            args, kwargs = arguments[name]
            qkv = [part.module for part in _parts(groups, index, "qkv")]
            out = _parts(groups, index, "attn_out")[0]
            count = configs[index].num_attention_heads
            reached = _reach(model, qkv, out.module, count, partial(layer, *args, **kwargs))
            heads[index] = _heads(name, reached, out, weight_shape(model, out)[1] // count)
    return heads


def _parts(groups: Sequence[GroupInfo], layer: int, kind: str) -> tuple[Part, ...]:
    return next(group.parts for group in groups if group.key == (layer, kind))


_Rows = list[tuple[Part, ...]]  # by head


def _reach(
    model: nn.Module, qkv: Sequence[str], out: str, count: int, rerun: Callable[[], Any]
) -> tuple[_Rows, _Rows]:
    """For each head the rows of qkv that reach it from the same token alone, and those from any token.

    The layer is run again with random numbers for what qkv puts out, so that no softmax is saturated; their
    gradients tell what a head's block of attn_out's inputs depends on at the last token.
    """
    generator = torch.Generator().manual_seed(0)
    dtype = next(model.get_submodule(out).parameters()).dtype
    noise = {
        name: torch.randn(1, TRACE_TOKENS, _width(model, name), generator=generator)
        .to(device_of(model), dtype)
        .requires_grad_(True)
        for name in qkv
    }
    recorded: list[torch.Tensor] = []
    with ExitStack() as stack:
        for name in qkv:
            stack.enter_context(
                forward_replaced(model.get_submodule(name), lambda _, name=name: noise[name])  # type: ignore[misc]
            )
        handle = model.get_submodule(out).register_forward_pre_hook(lambda _, args: recorded.append(args[0]))
        stack.callback(handle.remove)
        with torch.enable_grad():
            rerun()
    queries, shared = [], []
    for block in recorded[0][0, -1].chunk(count):
        weights = torch.randn(block.shape, generator=generator).to(block)
        gradients = torch.autograd.grad((block * weights).sum(), list(noise.values()), retain_graph=True)
        first, last = ([gradient[0, at] != 0 for gradient in gradients] for at in (0, -1))
        alone = [now & ~before for now, before in zip(last, first, strict=True)]
        queries.append(_runs(qkv, alone))
        shared.append(_runs(qkv, first))
    return queries, shared


def _width(model: nn.Module, name: str) -> int:
    return weight_shape(model, Part(name))[0]


def _runs(names: Sequence[str], masks: Sequence[torch.Tensor]) -> tuple[Part, ...]:
    """Runs of consecutive rows that are True, by module."""
    parts = []
    for name, mask in zip(names, masks, strict=True):
        rows = mask.nonzero().flatten().tolist()
        true_rows = set(rows)
        starts = [row for row in rows if row - 1 not in true_rows]
        stops = [row + 1 for row in rows if row + 1 not in true_rows]
        parts += [Part(name, run) for run in zip(starts, stops, strict=True)]
    return tuple(parts)


def _heads(layer: str, reached: tuple[_Rows, _Rows], out: Part, size: int) -> Heads:
    queries, shared = reached
    groups = list(dict.fromkeys(shared))
    group_of = tuple(groups.index(rows) for rows in shared)
    taken = [row for rows in (*queries, *groups) for part in rows for row in _rows_of(part)]
    sizes = {sum(len(_rows_of(part)) for part in rows) for rows in queries}
    even = len({group_of.count(group) for group in group_of}) == 1
    if len(taken) != len(set(taken)) or len(sizes) != 1 or 0 in sizes or not even:
        raise PruningError(
            f"The heads of {layer} do not come apart: what one puts out depends on others' queries, keys or "
            "values. Remove neurons or layers of this model instead."
        )
    return Heads(tuple(queries), tuple(groups), group_of, out, size)


def _rows_of(part: Part) -> list[tuple[str, int]]:
    return [(part.module, row) for row in range(*(part.rows or (0, 0)))]


def pruned_rows(units: Units, removal: Removal) -> dict[str, list[int]]:
    """The output rows, ascending, that linear modules lose with the units; whole layers are not counted."""
    rows: dict[str, list[int]] = {}
    for layer, pruned in removal.neurons.items():
        for part in units.neurons[layer].rows:
            start = part.rows[0] if part.rows else 0
            rows.setdefault(part.module, []).extend(start + neuron for neuron in pruned)
    for layer, pruned in removal.heads.items():
        heads = units.heads[layer]
        parts = [part for head in pruned for part in heads.queries[head]]
        parts += [part for group in pruned_groups(heads, pruned) for part in heads.keys_values[group]]
        for part in parts:
            rows.setdefault(part.module, []).extend(row for _, row in _rows_of(part))
    return {name: sorted(numbers) for name, numbers in rows.items()}


def pruned_columns(units: Units, removal: Removal) -> dict[str, list[int]]:
    """The input columns, ascending, that linear modules lose with the units."""
    columns = {units.neurons[layer].down.module: sorted(pruned) for layer, pruned in removal.neurons.items()}
    for layer, pruned in removal.heads.items():
        heads = units.heads[layer]
        columns[heads.out.module] = heads.columns(sorted(pruned))
    return columns


def pruned_groups(heads: Heads, pruned: Iterable[int]) -> list[int]:
    """The KV groups none of whose heads are kept; `pruned` are heads."""
    removed = set(pruned)
    kept = {group for head, group in enumerate(heads.group_of) if head not in removed}
    return [group for group in range(heads.groups) if group not in kept]


def unit_weights(model: nn.Module, units: Units, kind: str) -> dict[int, int]:
    """By layer, how many weights belong to one neuron, head or KV group.

    Parameters
    ----------
    model
        The dense model.
    units
        Its units, heads among them where `kind` is about heads.
    kind
        neurons, heads or kv_groups. A head has its queries and its columns of attn_out, and keys and values
        where they are its own; a KV group has those of all its heads, and the keys and values they share.
    """
    if kind == "neurons":
        return {
            layer: sum(weight_shape(model, part)[1] for part in neurons.rows)
            + weight_shape(model, neurons.down)[0]
            for layer, neurons in units.neurons.items()
        }
    weights = {}
    for layer, heads in units.heads.items():
        queries = sum(prod(weight_shape(model, part)) for part in heads.queries[0])
        weights[layer] = queries + weight_shape(model, heads.out)[0] * heads.size
        shared = sum(prod(weight_shape(model, part)) for part in heads.keys_values[0])
        if kind == "kv_groups":
            weights[layer] = weights[layer] * len(heads.members(0)) + shared
        elif heads.groups == heads.count:
            weights[layer] += shared
    return weights
