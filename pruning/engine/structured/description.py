"""How a configuration describes a smaller model: by one number for all layers, or layer by layer."""

from typing import Any

from torch import nn

from pruning.engine.architecture.units import Removal, Units, pruned_groups

# What configurations call the number of neurons.
INNER_NAMES = ("intermediate_size", "n_inner", "ffn_dim")
HEADS, GROUPS, SIZE = "num_attention_heads", "num_key_value_heads", "head_dim"


def describe(model: nn.Module, units: Units, removal: Removal, by_layer: bool = False) -> None:
    """Bring the configuration up to date, *in place*.

    What all layers have alike is one number, unless it is to be `by_layer`. Otherwise what each has of its
    own stands in `per_layer_config`, and the numbers for all stay what they were.
    """
    full_config: Any = model.config
    config = full_config.get_text_config()
    total = len(units.layers)
    kept = [layer for layer in range(total) if layer not in removal.layers]
    own = [_own(config, units, removal, layer) for layer in kept]
    config.per_layer_config = None
    vars(config).pop("allow_global_per_layer_attribute_access", None)
    if removal.layers:
        lists = {k: v for k, v in vars(config).items() if isinstance(v, list) and len(v) == total}
        shorter = {name: [values[layer] for layer in kept] for name, values in lists.items()}
        _set(config, **shorter, num_hidden_layers=len(kept))
    if any(HEADS in numbers for numbers in own) and any(removal.heads.values()):
        _set(config, **{SIZE: next(iter(units.heads.values())).size})
    alike = all(numbers == own[0] for numbers in own)
    if alike and not by_layer:
        _set(config, **own[0])
    elif any(own):
        config.per_layer_config = dict(enumerate(own))
        config.allow_global_per_layer_attribute_access = True


def _own(config: Any, units: Units, removal: Removal, layer: int) -> dict[str, int]:
    """What a layer has of what may differ: its neurons, heads and KV groups, as configurations call them."""
    own = {}
    before, mixed = config.per_layer_config[layer], config.is_heterogeneous
    if mixed or any(removal.neurons.values()):
        name = next(name for name in INNER_NAMES if hasattr(before, name))
        own[name] = units.neurons[layer].count - len(removal.neurons.get(layer, ()))
    if mixed or any(removal.heads.values()):
        own |= {name: getattr(before, name) for name in (HEADS, GROUPS) if hasattr(before, name)}
    if removal.heads.get(layer):
        heads, pruned = units.heads[layer], removal.heads[layer]
        own[HEADS] = heads.count - len(pruned)
        if GROUPS in own:
            own[GROUPS] = heads.groups - len(pruned_groups(heads, pruned))
    return own


def _set(config: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(config, name, value)
