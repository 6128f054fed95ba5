"""Layers that go, as others say it: a list of them, or a merge of mergekit that leaves them out."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from pruning.errors import PruningError
from pruning.planning.imports.imported import Imported
from pruning.planning.recipe.plan import LAYERS, Plan, parse_layers
from pruning.wording import counted

MERGEKIT, LIST = "mergekit", "a list of layers"
NAMES = ("layers_to_drop", "drop_layers", "pruned_layers", "removed_layers", "layers")
_RANGE = re.compile(r"\d+(-\d+)?")


def is_mergekit(value: Any) -> bool:
    """Whether it looks like a configuration of mergekit."""
    return isinstance(value, Mapping) and ("merge_method" in value or "slices" in value)


def read_mergekit(value: Mapping[str, Any], where: str, layers: int) -> Imported:
    """The plan of a passthrough merge of one model: the layers that are in no slice go.

    Parameters
    ----------
    value
        What the YAML holds.
    where
        The file, for errors.
    layers
        How many layers the model has.

    Raises
    ------
    PruningError
        It is no passthrough, has more than one model, a layer twice or out of order, or a layer that is not
        there; or nothing is left out.
    """
    method = value.get("merge_method")
    if method != "passthrough":
        raise PruningError(
            f"{where} merges models ({method}), and does not prune one. Of mergekit's files only passthrough "
            "of one model can be imported."
        )
    slices = value.get("slices")
    if not isinstance(slices, list) or not slices:
        raise PruningError(f"{where} has no slices, so that every layer stays. There is nothing to import.")
    kept: list[int] = []
    models = set()
    for number, piece in enumerate(slices, start=1):
        model, begin, end = _slice(piece, f"{where}, slice {number}")
        models.add(model)
        if end > layers:
            raise PruningError(
                f"{where}, slice {number} goes to layer {end - 1}, and the model has "
                f"{counted(layers, 'layer')} (0 to {layers - 1}). Is it of another model?"
            )
        kept += range(begin, end)
    if len(models) > 1:
        many = counted(len(models), "model")
        raise PruningError(f"{where} takes layers from {many}. Only one can be pruned.")
    if any(later <= earlier for earlier, later in pairwise(kept)):
        raise PruningError(f"{where} has a layer twice, or out of order: that is more than leaving some out.")
    model = next(iter(models))
    notes = (f"The file is of {model}; whether that is the model at hand is not checked.",) if model else ()
    return Imported(MERGEKIT, _gone(set(range(layers)) - set(kept), where, layers), notes=notes)


def _slice(piece: Any, where: str) -> tuple[str, int, int]:
    """The model and the layers [begin, end) of one slice."""
    sources = piece.get("sources") if isinstance(piece, Mapping) else None
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], Mapping):
        raise PruningError(f"{where} needs one source, a model with its layer_range.")
    source = sources[0]
    if source.get("parameters") or piece.get("parameters"):
        raise PruningError(f"{where} scales what it takes. Only slices as they are can be imported.")
    reach: Any = source.get("layer_range")
    whole = isinstance(reach, list) and len(reach) == 2 and all(type(end) is int for end in reach)
    if not whole or not 0 <= reach[0] < reach[1]:
        raise PruningError(
            f"{where} needs a layer_range like [0, 24]: its first layer, and that after its last."
        )
    return str(source.get("model", "")), reach[0], reach[1]


def is_list(value: Any) -> bool:
    """Whether it is a list of layers, on its own or under one of the usual names."""
    return _listed(value) is not None


def read_list(value: Any, where: str, layers: int) -> Imported:
    """The plan that drops the layers of a list such as `21-24, 27` or `[21, 22]`, counted from 0.

    Raises
    ------
    PruningError
        A layer is not there, or none is named.
    """
    note = f"Layers are counted from 0, so that the last is {layers - 1}."
    return Imported(LIST, _gone(_listed(value) or (), where, layers), notes=(note,))


def _listed(value: Any) -> list[int] | None:
    if isinstance(value, Mapping):
        names = [name for name in NAMES if name in value]
        return _listed(value[names[0]]) if names else None
    if type(value) is int:
        return [value]
    if isinstance(value, str):
        pieces = "-".join(part.strip() for part in value.split("-")).replace(",", " ").split()
        if pieces and all(map(_RANGE.fullmatch, pieces)):
            return parse_layers(",".join(pieces), "The list")
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return list(value)
    return None


def _gone(layers: Iterable[int], where: str, there: int) -> Plan:
    gone = sorted(set(layers))
    strange = [layer for layer in gone if not 0 <= layer < there]
    if strange:
        raise PruningError(
            f"{where} names layer {strange[0]}, and the model has {counted(there, 'layer')} (0 to "
            f"{there - 1}). Is it of another model?"
        )
    if not gone:
        raise PruningError(f"{where} leaves no layer out. There is nothing to import.")
    if len(gone) == there:
        raise PruningError(f"{where} leaves out every layer of the model. At least one has to stay.")
    return {(layer, LAYERS): 1.0 for layer in gone}
