"""Surgery: rows, columns, heads and layers cut out so that tensors are smaller, and the configuration too."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

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
from pruning.errors import PruningError

# What the attention modules of transformers call the number of their heads, of their KV groups, of heads in
# each, and the width that all heads make.
HEAD_NAMES = ("num_heads", "num_attention_heads")
GROUP_NAMES = ("num_key_value_heads",)
SHARE_NAMES = ("num_key_value_groups",)
WIDTH_NAMES = ("embed_dim", "split_size")
# What configurations call the number of neurons.
INNER_NAMES = ("intermediate_size", "n_inner", "ffn_dim")
INDEX_NAMES = ("layer_idx",)
WITH_ZEROS = "export the full-size model with zeros in it (--masked)"


def smaller(
    model: nn.Module, units: Units, removal: Removal, weights: Mapping[str, torch.Tensor] | None = None
) -> nn.Module:
    """A copy of the model without the pruned units: smaller tensors, fewer heads and layers.

    Parameters
    ----------
    model
        The dense model, which is not changed.
    units
        Its units.
    removal
        The pruned ones. Layers may lose different numbers of them; only where all lose the same does the
        copy's configuration describe it, see `check_describable`.
    weights
        By module, what replaces its weight [out, in] before it is cut.

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
    _describe(result, units, removal)
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


def check_describable(model: nn.Module, units: Units, removal: Removal) -> None:
    """Raise PruningError, saying why, where no configuration of the family describes the smaller model.

    Only shapes are looked at: which units are pruned does not matter, and no weights are held.
    """
    check_even(units, removal)
    family: Any = type(model)
    uneven = _uneven(units, removal)
    if uneven:
        raise PruningError(
            f"The layers would keep different numbers of {uneven}, and {family.__name__} has one number for "
            f"all. Remove equally many from every layer, or {WITH_ZEROS}."
        )
    with torch.device("meta"):
        cut = smaller(family(copy.deepcopy(model.config)), units, removal)
        try:
            described = family(type(cut.config).from_dict(cut.config.to_dict()))  # type: ignore[union-attr, operator]
        except Exception as error:  # each family refuses in its own way
            raise _indescribable(family, str(error).strip().splitlines()[-1].strip()) from None
    shapes = [{name: tuple(p.shape) for name, p in result.named_parameters()} for result in (cut, described)]
    different = sorted(
        name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
    )
    if different:
        raise _indescribable(family, f"{different[0]} would have another shape")


def _indescribable(family: type, reason: str) -> PruningError:
    return PruningError(
        f"No configuration of {family.__name__} describes the smaller model: {reason}. Remove another "
        f"number, or {WITH_ZEROS}."
    )


def _uneven(units: Units, removal: Removal) -> str | None:
    """What the kept layers would keep different numbers of."""
    kept = [layer for layer in range(len(units.layers)) if layer not in removal.layers]
    if len({len(removal.neurons.get(layer, ())) for layer in kept}) > 1:
        return "neurons"
    if len({len(removal.heads.get(layer, ())) for layer in kept}) > 1:
        return "heads"
    if units.heads and len({len(pruned_groups(units.heads[n], removal.heads.get(n, ()))) for n in kept}) > 1:
        return "KV groups"
    return None


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
            _set(attention.config, num_attention_heads=kept, num_key_value_heads=groups)


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


def _describe(model: nn.Module, units: Units, removal: Removal) -> None:
    """Bring the configuration up to date, *in place*, in all that is the same in every layer."""
    full_config: Any = model.config
    config = full_config.get_text_config()
    total = len(units.layers)
    if removal.layers:
        lists = {k: v for k, v in vars(config).items() if isinstance(v, list) and len(v) == total}
        shorter = {k: [v[n] for n in range(total) if n not in removal.layers] for k, v in lists.items()}
        _set(config, **shorter, num_hidden_layers=total - len(removal.layers))
    if _uneven(units, removal):
        return
    kept_layer = next(layer for layer in range(total) if layer not in removal.layers)
    if removal.neurons.get(kept_layer):
        names = [name for name in INNER_NAMES if hasattr(config, name)]
        neurons = units.neurons[kept_layer].count - len(removal.neurons[kept_layer])
        _set(config, **dict.fromkeys(names[:1], neurons))
    if removal.heads.get(kept_layer):
        heads, pruned = units.heads[kept_layer], removal.heads[kept_layer]
        _set(config, num_attention_heads=heads.count - len(pruned), head_dim=heads.size)
        if hasattr(config, "num_key_value_heads"):
            _set(config, num_key_value_heads=heads.groups - len(pruned_groups(heads, pruned)))


def _set(config: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(config, name, value)
