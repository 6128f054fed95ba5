"""Making a model really smaller: rows, columns, heads and layers cut out, and its configuration with them."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import Part, attention_name, decoder_layers, weight_view
from pruning.engine.architecture.units import Removal, Units, gone_groups, lost_columns, lost_rows
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
# By how much of their spread logits may differ that should be equal.
TOLERANCES = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def smaller(
    model: nn.Module, units: Units, removal: Removal, weights: Mapping[str, torch.Tensor] | None = None
) -> nn.Module:
    """A copy of the model without the units that go: smaller tensors, fewer heads and layers.

    `weights` [out, in] by module replace what is there before it is cut. Layers may lose different numbers of
    units; only where all lose the same does the copy's configuration describe it, see `describes`. Raises
    PruningError where heads would go unevenly from their KV groups.
    """
    check_even(units, removal)
    result = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in (weights or {}).items():
            weight_view(result, Part(name)).copy_(weight)
    rows, columns = lost_rows(units, removal), lost_columns(units, removal)
    for name in sorted({*rows, *columns}):
        _cut(result.get_submodule(name), rows.get(name, ()), columns.get(name, ()))
    _fewer_heads(result, units, removal)
    _fewer_layers(result, removal.layers)
    _describe(result, units, removal)
    return result


def check_even(units: Units, removal: Removal) -> None:
    """Raise PruningError unless every layer's KV groups keep equally many heads, or none."""
    for layer, gone in removal.heads.items():
        heads = units.heads[layer]
        left = [head for head in range(heads.count) if head not in set(gone)]
        shares = {sum(heads.group_of[head] == group for head in left) for group in range(heads.groups)} - {0}
        if len(shares) > 1:
            raise PruningError(
                f"Layer {layer} would lose {len(gone)} of {heads.count} heads, which do not come evenly from "
                f"its {heads.groups} KV groups, and then no tensor can be made smaller. Remove a multiple of "
                f"{heads.groups} heads, or whole KV groups, or {WITH_ZEROS}."
            )


def check_same(expected: torch.Tensor, given: torch.Tensor) -> None:
    """Raise PruningError unless the smaller model's logits are those of the model with zeros."""
    worst = float((expected.float() - given.float()).abs().max() / expected.float().std())
    if not worst <= TOLERANCES.get(expected.dtype, 1e-3):
        raise PruningError(
            "The smaller model does not put out what the model with zeros does (logits differ by "
            f"{worst:.2g} of their spread): this family is not understood well enough to be cut. "
            f"Instead, {WITH_ZEROS}."
        )


def check_describable(model: nn.Module, units: Units, removal: Removal) -> None:
    """Raise PruningError, saying why, where no configuration of the family describes the smaller model.

    Only shapes are looked at: which units go does not matter, and no weights are held.
    """
    check_even(units, removal)
    kind: Any = type(model)
    uneven = _uneven(units, removal)
    if uneven:
        raise PruningError(
            f"The layers would keep different numbers of {uneven}, and {kind.__name__} has one number for "
            f"all. Remove equally many from every layer, or {WITH_ZEROS}."
        )
    with torch.device("meta"):
        cut = smaller(kind(copy.deepcopy(model.config)), units, removal)
        try:
            described = kind(type(cut.config).from_dict(cut.config.to_dict()))  # type: ignore[union-attr, operator]
        except Exception as error:  # each family refuses in its own way
            raise _indescribable(kind, str(error).strip().splitlines()[-1].strip()) from None
    shapes = [{name: tuple(p.shape) for name, p in one.named_parameters()} for one in (cut, described)]
    different = sorted(
        name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
    )
    if different:
        raise _indescribable(kind, f"{different[0]} would have another shape")


def _indescribable(kind: type, reason: str) -> PruningError:
    return PruningError(
        f"No configuration of {kind.__name__} describes the smaller model: {reason}. Remove another number, "
        f"or {WITH_ZEROS}."
    )


def _uneven(units: Units, removal: Removal) -> str | None:
    """What the layers that stay would keep different numbers of."""
    stay = [layer for layer in range(len(units.layers)) if layer not in removal.layers]
    if len({len(removal.neurons.get(layer, ())) for layer in stay}) > 1:
        return "neurons"
    if len({len(removal.heads.get(layer, ())) for layer in stay}) > 1:
        return "heads"
    if units.heads and len({len(gone_groups(units.heads[n], removal.heads.get(n, ()))) for n in stay}) > 1:
        return "KV groups"
    return None


def _cut(module: nn.Module, rows: Collection[int], columns: Collection[int]) -> None:
    """Take output rows and input columns out of a linear module, *in place*."""
    weight = weight_view(module, Part(""))
    kept = [_others(size, gone) for size, gone in zip(weight.shape, (rows, columns), strict=True)]
    smaller = weight[kept[0]][:, kept[1]]
    transposed = isinstance(module, Conv1D)
    module.weight = nn.Parameter((smaller.T if transposed else smaller).contiguous(), requires_grad=False)
    bias: Any = module.bias
    if bias is not None:
        module.bias = nn.Parameter(bias.detach()[kept[0]], requires_grad=False)
    names = ("nf", "nx") if transposed else ("out_features", "in_features")
    for name, left in zip(names, kept, strict=True):
        setattr(module, name, len(left))


def _others(size: int, gone: Collection[int]) -> list[int]:
    lost = set(gone)
    return [index for index in range(size) if index not in lost]


def _fewer_heads(model: nn.Module, units: Units, removal: Removal) -> None:
    """Tell the attention modules how many heads they have left, *in place*; each gets a configuration."""
    layers = decoder_layers(model)
    for layer, gone in removal.heads.items():
        heads, module = units.heads[layer], layers[layer][1]
        attention: Any = module.get_submodule(str(attention_name(module)))
        left = heads.count - len(gone)
        groups = heads.groups - len(gone_groups(heads, gone))
        numbers = {
            **dict.fromkeys(HEAD_NAMES, left),
            **dict.fromkeys(GROUP_NAMES, groups),
            **dict.fromkeys(SHARE_NAMES, left // groups),
            **dict.fromkeys(WIDTH_NAMES, left * heads.size),
        }
        for name in numbers.keys() & vars(attention).keys():
            setattr(attention, name, numbers[name])
        if hasattr(attention, "config"):
            attention.config = copy.copy(attention.config)
            _set(attention.config, num_attention_heads=left, num_key_value_heads=groups)


def _fewer_layers(model: nn.Module, gone: Collection[int]) -> None:
    """Take decoder layers out and number the others anew, *in place*."""
    if not gone:
        return
    layers = decoder_layers(model)
    left = [module for index, (_, module) in enumerate(layers) if index not in gone]
    path, _, name = layers[0][0].rpartition(".")[0].rpartition(".")
    setattr(model.get_submodule(path), name, nn.ModuleList(left))
    for index, layer in enumerate(left):
        for module in layer.modules():
            for own in INDEX_NAMES & vars(module).keys():
                setattr(module, own, index)


def _describe(model: nn.Module, units: Units, removal: Removal) -> None:
    """Bring the configuration up to date, *in place*, in all that is the same in every layer."""
    whole: Any = model.config
    config = whole.get_text_config()
    total = len(units.layers)
    if removal.layers:
        lists = {k: v for k, v in vars(config).items() if isinstance(v, list) and len(v) == total}
        shorter = {k: [v[n] for n in range(total) if n not in removal.layers] for k, v in lists.items()}
        _set(config, **shorter, num_hidden_layers=total - len(removal.layers))
    if _uneven(units, removal):
        return
    stay = next(layer for layer in range(total) if layer not in removal.layers)
    if removal.neurons.get(stay):
        names = [name for name in INNER_NAMES if hasattr(config, name)]
        left = units.neurons[stay].count - len(removal.neurons[stay])
        _set(config, **dict.fromkeys(names[:1], left))
    if removal.heads.get(stay):
        heads, gone = units.heads[stay], removal.heads[stay]
        left = heads.count - len(gone)
        _set(config, num_attention_heads=left, head_dim=heads.size)
        if hasattr(config, "num_key_value_heads"):
            _set(config, num_key_value_heads=heads.groups - len(gone_groups(heads, gone)))


def _set(config: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(config, name, value)
