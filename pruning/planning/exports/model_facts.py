"""What the writers must know of a model: its family, and how many units it has. No weights are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pruning.errors import PruningError
from pruning.files import parse_json
from pruning.model_files.gguf_header import OWN_CONFIG, Gguf
from pruning.planning.cost.parts import HEADS, KV_GROUPS, LAYERS, NEURONS, UnitTotals
from pruning.planning.exports.families import FAMILIES, Family, family_key
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Group

# What configurations call what a layer may have of its own.
_OWN = {
    NEURONS: ("intermediate_size", "n_inner", "ffn_dim"),
    HEADS: ("num_attention_heads",),
    KV_GROUPS: ("num_key_value_heads",),
}
# More than any model has: what is beyond is a mistake, and a list of so many layers would fill the memory.
_MOST, _MOST_LAYERS = 10**9, 10_000


@dataclass(frozen=True)
class ModelFacts:
    """A model as far as the writers care.

    Attributes
    ----------
    family
        The key in `FAMILIES`; any other name for a family that is not known by itself.
    hidden_size
        Width of the states between layers.
    layers
        How many there are.
    units
        [kind][layer]: neurons, heads and KV groups; without heads where they do not come apart.
    gated
        Whether MLPs have a gate.
    writable
        By kind how many heads or KV groups every layer may lose so that the family's configuration describes
        what is left, as transformers said when the model was loaded; None where it was not asked.
    tied
        Whether the head is the embedding; None where it is not known.
    head_size
        How many numbers a head has; None where it is not known.
    gguf_refused
        Why the model has no GGUF form whatever the plan, as was found when it was loaded; None where it has
        one, or it was not asked.
    """

    family: str
    hidden_size: int
    layers: int
    units: UnitTotals
    gated: bool = True
    writable: Mapping[str, Sequence[int]] | None = None
    tied: bool | None = None
    head_size: int | None = None
    gguf_refused: str | None = None

    @property
    def known(self) -> Family | None:
        """What its configuration allows; None where it is not a family of `FAMILIES`."""
        return FAMILIES.get(self.family)

    @property
    def name(self) -> str:
        """The family's name for people."""
        return self.known.name if self.known else self.family

    @property
    def groups(self) -> list[Group]:
        """What a plan may name: whole units of each layer, then its groups of weights."""
        kinds = [kind for kind in UNIT_KINDS if kind == LAYERS or kind in self.units]
        kinds += [kind for kind in KINDS if kind != "gate" or self.gated]
        return [(layer, kind) for kind in kinds for layer in range(self.layers)]


def of_inspection(found: Mapping[str, Any]) -> ModelFacts:
    """The facts of a model that was loaded, from the result of the task `inspect`."""
    layers = int(found["layers"])
    counts = {kind: list(numbers) for kind, numbers in (found.get("units") or {}).items()}
    return ModelFacts(
        family=family_key(found["architecture"]),
        hidden_size=int(found["hidden_size"]),
        layers=layers,
        units={kind: dict(enumerate(numbers)) for kind, numbers in counts.items()},
        gated=any(group["kind"] == "gate" for group in found["groups"]),
        writable=found.get("writable"),
        tied=found.get("tied_head"),
        head_size=_head_size(found, counts.get(HEADS)),
        gguf_refused=(found.get("gguf") or {}).get("refused"),
    )


def _head_size(found: Mapping[str, Any], heads: Sequence[int] | None) -> int | None:
    """What attn_out reads of a layer, by head; None where it was not counted."""
    shapes = {group["layer"]: group.get("shape") for group in found["groups"] if group["kind"] == "attn_out"}
    shape = shapes.get(0)
    return None if shape is None or not heads else int(shape[1]) // heads[0]


def of_config(config: Mapping[str, Any]) -> ModelFacts:
    """The facts of a model folder from its configuration, config.json.

    Raises
    ------
    PruningError
        For a family that is not in `FAMILIES`, and for numbers that are missing.
    """
    key = family_key(str(config.get("model_type", "")))
    if key not in FAMILIES:
        raise unknown(str(config.get("model_type") or "without a name"))
    hidden, heads = _number(config, "hidden_size", "n_embd"), _number(config, "num_attention_heads", "n_head")
    neurons = _number(config, "intermediate_size", "n_inner", "ffn_dim", default=4 * hidden)
    groups = _number(config, "num_key_value_heads", default=heads)
    layers = _number(config, "num_hidden_layers", "n_layer")
    facts = _facts(key, hidden, layers, {NEURONS: neurons, HEADS: heads, KV_GROUPS: groups})
    size = _number(config, "head_dim", default=hidden // heads)
    for layer, own in (config.get("per_layer_config") or {}).items():
        if not str(layer).isdecimal() or int(layer) >= layers:
            raise PruningError(f"The model's configuration has no layer {layer}. Fetch the model again.")
        for kind, names in _OWN.items():
            units: Any = facts.units[kind]
            units[int(layer)] = _number(own, *names, default=units[int(layer)])
    return replace(facts, tied=config.get("tie_word_embeddings"), head_size=size)


def of_gguf(header: Gguf) -> ModelFacts:
    """The facts of a GGUF file from its header.

    Raises
    ------
    PruningError
        For an architecture that is not in `FAMILIES`, and for numbers that are missing.
    """
    if OWN_CONFIG in header.metadata:
        try:
            return of_config(parse_json(header.metadata[OWN_CONFIG]))
        except (ValueError, TypeError, AttributeError) as error:
            raise PruningError(
                f"The configuration in the file cannot be read ({error}). Write or fetch it again."
            ) from None
    architecture = str(header.metadata.get("general.architecture", ""))
    key = family_key(architecture)
    if key not in FAMILIES:
        raise unknown(architecture or "without a name")
    said = {name.removeprefix(f"{architecture}."): value for name, value in header.metadata.items()}
    heads = _number(said, "attention.head_count")
    units = {
        NEURONS: _number(said, "feed_forward_length"),
        HEADS: heads,
        KV_GROUPS: _number(said, "attention.head_count_kv", default=heads),
    }
    hidden = _number(said, "embedding_length")
    facts = _facts(key, hidden, _number(said, "block_count"), units)
    size = _number(said, "attention.key_length", default=hidden // heads)
    return replace(facts, tied="output.weight" not in header.places, head_size=size)


def unknown(family: str) -> PruningError:
    """What to say of a family that the table does not have."""
    names = ", ".join(known.name for known in FAMILIES.values())
    return PruningError(
        f"What the configuration of the family {family} allows is not known before the model was loaded. Run "
        f"`prunescope inspect` with it first. Known without that are {names}."
    )


def _facts(key: str, hidden: int, layers: int, units: Mapping[str, int]) -> ModelFacts:
    if layers > _MOST_LAYERS:
        raise PruningError(f"The model's configuration says {layers:,} layers. Fetch the model again.")
    by_layer = {kind: dict.fromkeys(range(layers), count) for kind, count in units.items()}
    return ModelFacts(key, hidden, layers, by_layer, FAMILIES[key].gated)


def _number(values: Mapping[str, Any], *names: str, default: int | None = None) -> int:
    for name in names:
        value = values.get(name)
        if type(value) is int:
            if not 1 <= value <= _MOST:
                raise PruningError(
                    f"The model's configuration says that its {name} is {value}. Fetch the model again."
                )
            return value
    if default is None:
        raise PruningError(f"The model's configuration does not say its {names[0]}. Fetch the model again.")
    return default
