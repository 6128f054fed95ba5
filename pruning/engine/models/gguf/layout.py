"""Which architecture of llama.cpp takes a model, and the widths of its layers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pruning.engine.architecture.groups import Part, decoder_layers, weight_shape
from pruning.engine.models.gguf.families import Family, family_of
from pruning.errors import PruningError

_HEAD_SIZE = ("head_dim", "head_size")
_INSTEAD = "Remove equally many neurons, and no heads, from every layer, or export to hf."


@dataclass(frozen=True)
class Layout:
    """A model as GGUF tells it; a number by layer of heads, KV heads and neurons."""

    family: Family
    architecture: str
    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    neurons: tuple[int, ...]
    head_size: int

    @property
    def by_layer(self) -> bool:
        """Whether widths are told layer by layer."""
        return self.architecture != self.family.architecture

    @property
    def paired(self) -> bool:
        """Whether queries and keys are stored with the numbers that rotary embedding turns side by side."""
        return self.family.paired or self.architecture == "deci"


def layout_of(model: nn.Module) -> Layout:
    """The form of GGUF for a model as it is, its widths read off its tensors.

    Raises
    ------
    PruningError
        GGUF has no form for the family, or none for layers of different widths.
    """
    family = family_of(model)
    layers = [layer for _, layer in decoder_layers(model)]
    attentions: list[Any] = [layer.get_submodule(family.attention) for layer in layers]
    size = next(int(getattr(attentions[0], name)) for name in _HEAD_SIZE if hasattr(attentions[0], name))
    heads = tuple(_columns(layer, family.out) // size for layer in layers)
    shares = [int(getattr(each, "num_key_value_groups", 1)) for each in attentions]
    kv_heads = tuple(count // share for count, share in zip(heads, shares, strict=True))
    neurons = tuple(_columns(layer, family.down) for layer in layers)
    layout = Layout(family, family.architecture, heads, kv_heads, neurons, size)
    unlike = _unlike(layout) or _too_few(model, layout)
    return replace(layout, architecture=_by_layer(model, family, unlike)) if unlike else layout


def _columns(layer: nn.Module, name: str) -> int:
    return weight_shape(layer, Part(name))[1]


def _by_layer(model: Any, family: Family, unlike: str) -> str:
    """The architecture that takes layers of different widths; PruningError where there is none."""
    if family.by_layer is None:
        raise PruningError(f"llama.cpp has no form of {family.architecture} with {unlike}. {_INSTEAD}")
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    if family.by_layer == "openelm" and not tied:
        raise PruningError(
            f"llama.cpp has no form of {family.architecture} with {unlike}, except where the head is the "
            f"embedding, and here it has values of its own. {_INSTEAD}"
        )
    return family.by_layer


def _too_few(model: Any, layout: Layout) -> str:
    """What is not understood of heads that are as many in every layer."""
    width = layout.heads[0] * layout.head_size
    hidden = model.config.get_text_config().hidden_size
    if layout.family.free_heads or width == hidden:
        return ""
    return f"{layout.heads[0]} heads of {layout.head_size} where the layers are {hidden} wide"


def _unlike(layout: Layout) -> str:
    """What differs from layer to layer; empty where nothing does."""
    names: Sequence[tuple[str, tuple[int, ...]]] = (
        ("heads", layout.heads),
        ("KV heads", layout.kv_heads),
        ("neurons", layout.neurons),
    )
    return " and ".join(
        f"{min(widths):,} to {max(widths):,} {name}" for name, widths in names if len(set(widths)) > 1
    )
