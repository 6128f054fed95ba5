"""Models whose layers differ in width: each decoder layer is built from what `per_layer_config` says of it.

transformers reads that key into its configurations, but its own classes build all layers alike.
"""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from pruning.engine.architecture.groups import decoder_layers

_MADE: dict[type, type] = {}


def per_layer_class(family: type) -> Any:
    """The class of a family of transformers, but each layer is built from its own configuration.

    It goes by the family's name. No code that comes with a model is run.
    """
    if family not in _MADE:

        def build(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
            text = config.get_text_config()
            text.allow_global_per_layer_attribute_access = True
            family.__init__(self, config, *args, **kwargs)  # type: ignore[misc]
            layers = layer_list(self)
            for index, layer in enumerate(layers):
                layers[index] = type(layer)(text.per_layer_config[index], index)
            self.post_init()

        made = {"__init__": build, "__module__": family.__module__, "whole_family": family}
        _MADE[family] = type(family.__name__, (family,), made)
    return _MADE[family]


def layer_list(model: nn.Module) -> Any:
    """The list of the decoder layers, which may be changed."""
    return model.get_submodule(layer_path(model))


def layer_path(model: nn.Module) -> str:
    """The qualified name of that list."""
    return decoder_layers(model)[0][0].rpartition(".")[0]


def whole_family(model: nn.Module) -> type | None:
    """The model's class in transformers, which builds all layers alike; None where it has code of its own."""
    family: type = getattr(model, "whole_family", type(model))
    known = family.__module__.startswith("transformers.models.")
    return family if known and issubclass(family, PreTrainedModel) else None
