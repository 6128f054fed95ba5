"""Surgery: rows, columns, heads and layers cut out so that tensors are smaller, and the configuration too."""

import copy
from collections.abc import Collection, Mapping
from typing import Any, Literal

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.equivalence import relative_error, same_values
from pruning.engine.architecture.groups import Part, attention_name, decoder_layers, weight_view
from pruning.engine.architecture.units import (
    Heads,
    Removal,
    Units,
    pruned_columns,
    pruned_groups,
    pruned_rows,
)
from pruning.engine.models.per_layer import per_layer_class, whole_family
from pruning.engine.structured.description import describe
from pruning.errors import PruningError

# What the attention modules of transformers call the number of their heads, of their KV groups, of heads in
# each, and the width that all heads make.
HEAD_NAMES = ("num_heads", "num_attention_heads")
GROUP_NAMES = ("num_key_value_heads",)
SHARE_NAMES = ("num_key_value_groups",)
WIDTH_NAMES = ("embed_dim", "split_size")
INDEX_NAMES = ("layer_idx",)
# The numbers of units are the same in all layers, or each layer has its own.
Form = Literal["alike", "by layer"]
WITH_ZEROS = "export the full-size model with zeros in it (--masked)"


def smaller(
    model: nn.Module,
    units: Units,
    removal: Removal,
    weights: Mapping[str, torch.Tensor] | None = None,
    by_layer: bool = False,
) -> nn.Module:
    """A copy of the model without the pruned units: smaller tensors, fewer heads and layers.

    Parameters
    ----------
    model
        The dense model, which is not changed.
    units
        Its units.
    removal
        The pruned ones. Layers may lose different numbers of them.
    weights
        By module, what replaces its weight [out, in] before it is cut.
    by_layer
        The copy's configuration says of each layer what it has, also where all have the same; see `describe`.

    Raises
    ------
    PruningError
        Where heads would be pruned unevenly from their KV groups.
    """
    check_even(units, removal)
    result = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in (weights or {}).items():
            weight_view(result, Part(name)).copy_(weight)
    rows, columns = pruned_rows(units, removal), pruned_columns(units, removal)
    for name in sorted({*rows, *columns}):
        _cut(result.get_submodule(name), rows.get(name, ()), columns.get(name, ()))
    _fewer_heads(result, units, removal)
    _fewer_layers(result, removal.layers)
    describe(result, units, removal, by_layer)
    return result


def check_even(units: Units, removal: Removal) -> None:
    """Raise PruningError unless every layer's KV groups keep equally many heads, or none."""
    for layer, pruned in removal.heads.items():
        heads = units.heads[layer]
        kept = [head for head in range(heads.count) if head not in set(pruned)]
        shares = {sum(heads.group_of[head] == group for head in kept) for group in range(heads.groups)} - {0}
        if len(shares) > 1:
            raise _not_even(layer, heads, len(pruned))


def check_even_count(layer: int, heads: Heads, count: int) -> None:
    """Raise PruningError unless `count` heads of the layer leave KV groups even whichever heads they are.

    Where it does not divide, the criterion chooses among all heads, and how many KV groups are kept is known
    only then; a single head that is kept has its group to itself.
    """
    if heads.groups < heads.count and count % heads.groups and count != heads.count - 1:
        raise _not_even(layer, heads, count)


def _not_even(layer: int, heads: Heads, count: int) -> PruningError:
    return PruningError(
        f"Layer {layer} would lose {count} of {heads.count} heads, which do not come evenly from its "
        f"{heads.groups} KV groups, and then no tensor can be made smaller. Remove a multiple of "
        f"{heads.groups} heads, or whole KV groups, or {WITH_ZEROS}."
    )


def check_same(expected: torch.Tensor, given: torch.Tensor, dense: torch.Tensor) -> None:
    """Raise PruningError unless the smaller model's logits are those of the model with zeros.

    All are [..., vocabulary] on the same tokens; `dense` are the dense model's, which set the measure.
    """
    if not same_values(expected, given, dense):
        raise PruningError(
            "The smaller model does not put out what the model with zeros does (logits differ by "
            f"{relative_error(expected, given, dense):.2g} of the dense model's spread): this family is not "
            f"understood well enough to be cut. Instead, {WITH_ZEROS}."
        )


def form_of(model: nn.Module, units: Units, removal: Removal) -> Form:
    """How the family's configuration describes the smaller model; PruningError, saying why, where it cannot.

    Only shapes are looked at: which units are pruned does not matter, and no weights are held.
    """
    check_even(units, removal)
    why = _why_not(model, units, removal, by_layer=False)
    if why is None:
        return "alike"
    if _why_not(model, units, removal, by_layer=True) is None:
        return "by layer"
    raise PruningError(
        f"No configuration of {type(model).__name__} describes the smaller model: {why}. Remove another "
        f"number, or {WITH_ZEROS}."
    )


def _why_not(model: nn.Module, units: Units, removal: Removal, by_layer: bool) -> str | None:
    """Why no configuration describes the smaller model, of one number for all layers or `by_layer`."""
    family = whole_family(model)
    if family is None:
        return "it runs with code of its own" if by_layer else None
    try:
        cut = smaller(bare(model), units, removal, by_layer=by_layer)
        config: Any = cut.config
        config = type(config).from_dict(config.to_dict())
        if config.get_text_config().is_heterogeneous != by_layer:
            return "the layers would keep different numbers of units, and it has one number for all"
        with torch.device("meta"):
            described = (per_layer_class(family) if by_layer else family)(config)
    except Exception as error:  # each family refuses in its own way
        return str(error).strip().splitlines()[-1].strip()
    shapes = [{name: tuple(p.shape) for name, p in result.named_parameters()} for result in (cut, described)]
    different = sorted(
        name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
    )
    return f"{different[0]} would have another shape" if different else None


def bare(model: nn.Module) -> Any:
    """A copy of the model without values: its tensors are on the device "meta"."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.to("meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to("meta")
    return copy.deepcopy(model, memo)


def _cut(module: nn.Module, rows: Collection[int], columns: Collection[int]) -> None:
    """Take output rows and input columns out of a linear module, *in place*."""
    weight = weight_view(module, Part(""))
    kept = [_others(size, pruned) for size, pruned in zip(weight.shape, (rows, columns), strict=True)]
    smaller = weight[kept[0]][:, kept[1]]
    transposed = isinstance(module, Conv1D)
    module.weight = nn.Parameter((smaller.T if transposed else smaller).contiguous(), requires_grad=False)
    bias: Any = module.bias
    if bias is not None:
        module.bias = nn.Parameter(bias.detach()[kept[0]], requires_grad=False)
    names = ("nf", "nx") if transposed else ("out_features", "in_features")
    for name, numbers in zip(names, kept, strict=True):
        setattr(module, name, len(numbers))


def _others(size: int, pruned: Collection[int]) -> list[int]:
    removed = set(pruned)
    return [index for index in range(size) if index not in removed]


def _fewer_heads(model: nn.Module, units: Units, removal: Removal) -> None:
    """Tell the attention modules how many heads they keep, *in place*; each gets a configuration."""
    layers = decoder_layers(model)
    for layer, pruned in removal.heads.items():
        heads, module = units.heads[layer], layers[layer][1]
        attention: Any = module.get_submodule(str(attention_name(module)))
        kept = heads.count - len(pruned)
        groups = heads.groups - len(pruned_groups(heads, pruned))
        numbers = {
            **dict.fromkeys(HEAD_NAMES, kept),
            **dict.fromkeys(GROUP_NAMES, groups),
            **dict.fromkeys(SHARE_NAMES, kept // groups),
            **dict.fromkeys(WIDTH_NAMES, kept * heads.size),
        }
        for name in numbers.keys() & vars(attention).keys():
            setattr(attention, name, numbers[name])
        if hasattr(attention, "config"):
            attention.config = copy.copy(attention.config)
            attention.config.num_attention_heads = kept
            attention.config.num_key_value_heads = groups


def _fewer_layers(model: nn.Module, pruned: Collection[int]) -> None:
    """Take decoder layers out and number the others anew, *in place*."""
    if not pruned:
        return
    layers = decoder_layers(model)
    kept = [module for index, (_, module) in enumerate(layers) if index not in pruned]
    path, _, name = layers[0][0].rpartition(".")[0].rpartition(".")
    setattr(model.get_submodule(path), name, nn.ModuleList(kept))
    for index, layer in enumerate(kept):
        for module in layer.modules():
            for attribute in INDEX_NAMES & vars(module).keys():
                setattr(module, attribute, index)
