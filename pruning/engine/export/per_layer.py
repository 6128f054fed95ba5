"""The modelling file that goes with a model whose layers differ in width."""

from typing import Any

from pruning.engine.models.per_layer import layer_list, layer_path, whole_family

MODULE = "modeling_per_layer"
_TEXT = '''"""{family} whose layers differ in width, for transformers 5.23 or newer. Written by Prunescope.

Its own class builds all layers alike. Here each is built from its part of `per_layer_config` in config.json.
"""

from transformers import {family}
from {module} import {layer}


class {own}({family}):
    def __init__(self, config):
        config.allow_global_per_layer_attribute_access = True  # the numbers for all are those of the original
        super().__init__(config)
        for index, layer_config in enumerate(config.per_layer_config):
            self.{path}[index] = {layer}(layer_config, index)
        self.post_init()
'''


def modelling_file(skeleton: Any) -> tuple[str, str]:
    """The name of the class that builds the model, and the text of the file `MODULE` that has it."""
    family: Any = whole_family(skeleton)
    layer = type(layer_list(skeleton)[0])
    names = {"family": family.__name__, "module": layer.__module__, "layer": layer.__name__}
    own = f"PerLayer{family.__name__}"
    return own, _TEXT.format(own=own, path=layer_path(skeleton), **names)
