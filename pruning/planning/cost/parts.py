"""What a model's weights belong to, and what is left of them without some units. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.mix import in_whole_units, unit_part
from pruning.planning.recipe.plan import Group, Plan

LAYERS, NEURONS, HEADS, KV_GROUPS = "layers", "neurons", "heads", "kv_groups"
# How many units each layer has: [kind][layer].
UnitTotals = Mapping[str, Mapping[int, int]]


@dataclass(frozen=True)
class Parts:
    """What a model's weights belong to, in numbers of weights.

    `shapes` [group]: rows and columns of each group that can be pruned. `embedding`: tables that words and
    places are looked up in. `head`: the matrix that turns the last state into words; `tied` says that it is
    the embedding itself, and then it counts once. `rest`: all else, norms and biases. Of this, `biases`
    [group] go with a group's rows and `norms` [layer] with the whole layer; models that were loaded before
    these were counted have none here. `units` [kind][layer]: how many neurons, heads and KV groups there are,
    of heads none where they do not come apart. `weight_bytes`: bytes of one weight.
    """

    shapes: Mapping[Group, tuple[int, int]]
    embedding: int
    head: int
    tied: bool
    rest: int
    weight_bytes: int
    units: UnitTotals = field(default_factory=dict)
    biases: Mapping[Group, int] = field(default_factory=dict)
    norms: Mapping[int, int] = field(default_factory=dict)

    @property
    def layers(self) -> list[int]:
        """The layers that are there, ascending."""
        return sorted({layer for layer, _ in self.shapes})

    @property
    def prunable(self) -> int:
        """Weights of all groups."""
        return sum(rows * columns for rows, columns in self.shapes.values())

    @property
    def own_head(self) -> int:
        """Weights of the head that are not the embedding's as well."""
        return 0 if self.tied else self.head

    @property
    def parameters(self) -> int:
        """All weights, prunable or not."""
        return self.prunable + self.embedding + self.own_head + self.rest

    @property
    def file_bytes(self) -> int:
        """Bytes of all weights in an ordinary file."""
        return self.weight_bytes * self.parameters

    def key_value_rows(self, layer: int) -> int:
        """Keys and values that the layer computes of one token: rows of qkv beside the queries'.

        Queries are as wide as what attn_out reads.
        """
        rows, _ = self.shapes.get((layer, "qkv"), (0, 0))
        _, queries = self.shapes.get((layer, "attn_out"), (0, 0))
        return max(0, rows - queries)


def parts_of(facts: Mapping[str, Any]) -> Parts:
    """The parts of an inspected model. Raises PruningError for facts of before these were counted."""
    try:
        shapes = {(g["layer"], g["kind"]): (int(g["shape"][0]), int(g["shape"][1])) for g in facts["groups"]}
        embedding, head, tied = facts["embedding_parameters"], facts["head_parameters"], facts["tied_head"]
    except KeyError:
        raise PruningError(
            "What this model's embeddings take was not counted when it was loaded. Load it again on Model."
        ) from None
    layers = sorted({layer for layer, _ in shapes})
    counts = facts.get("units") or {}
    parts = Parts(
        shapes=shapes,
        embedding=embedding,
        head=head,
        tied=tied,
        rest=0,
        weight_bytes=round(facts["bytes"] / facts["parameters"]),
        units={kind: dict(zip(layers, numbers, strict=False)) for kind, numbers in counts.items()},
        biases={(g["layer"], g["kind"]): g["biases"] for g in facts["groups"] if g.get("biases")},
        norms=dict(zip(layers, facts.get("norms") or (), strict=False)),
    )
    return replace(parts, rest=facts["parameters"] - parts.parameters)


def without(parts: Parts, plan: Plan, round_to: int | None = None) -> Parts:
    """The parts once the plan's units are cut out of the tensors; levels of single weights change nothing.

    Keys and values stay with heads that share them, and go with the last of them. Of heads that do not come
    evenly from their KV groups it depends on the criterion how many groups stay: as many as can are counted.
    `round_to`: the number of neurons kept is rounded to a multiple of this. Raises PruningError for units
    that the model has not.
    """
    whole = in_whole_units(unit_part(plan), parts.units, round_to)
    lost = {layer for layer, kind in whole if kind == LAYERS}
    for layer, kind in whole:
        if layer not in lost and not parts.units.get(kind, {}).get(layer):
            raise PruningError(
                f"Layer {layer} has no {kind} that were counted. Load the model again on Model."
            )
    shapes = {
        group: _narrower(parts, group, shape, whole)
        for group, shape in parts.shapes.items()
        if group[0] not in lost
    }
    biases = {
        # A bias belongs to a row; a part of qkv may have none.
        group: round(count * shapes[group][0] / parts.shapes[group][0])
        for group, count in parts.biases.items()
        if group in shapes
    }
    norms = {layer: count for layer, count in parts.norms.items() if layer not in lost}
    gone = sum(parts.biases.values()) - sum(biases.values())
    gone += sum(parts.norms.values()) - sum(norms.values())
    return replace(parts, shapes=shapes, biases=biases, norms=norms, rest=parts.rest - gone)


def share_gone(parts: Parts, plan: Plan) -> float:
    """The share of all prunable weights that a plan cuts out or makes zero, 0..1."""
    left = without(parts, plan)
    kept = sum(rows * columns * (1 - plan.get(g, 0.0)) for g, (rows, columns) in left.shapes.items())
    return 1 - kept / parts.prunable


def heads_gone(units: UnitTotals, layer: int, plan: Plan) -> tuple[int, int]:
    """(heads, KV groups) that a layer loses by a plan in whole units."""
    heads, groups = (units.get(kind, {}).get(layer, 0) for kind in (HEADS, KV_GROUPS))
    if (layer, KV_GROUPS) in plan:
        lost = round(plan[layer, KV_GROUPS] * groups)
        return lost * heads // groups, lost
    lost = round(plan.get((layer, HEADS), 0.0) * heads)
    return lost, groups - min(groups, heads - lost)


def _narrower(parts: Parts, group: Group, shape: tuple[int, int], plan: Plan) -> tuple[int, int]:
    """Rows and columns kept of one group by a plan in whole units."""
    (layer, kind), (rows, columns) = group, shape
    if kind in ("gate", "up"):
        return rows - round(plan.get((layer, NEURONS), 0.0) * rows), columns
    if kind == "down":
        return rows, columns - round(plan.get((layer, NEURONS), 0.0) * columns)
    heads, groups = heads_gone(parts.units, layer, plan)
    if not heads:
        return shape
    _, width = parts.shapes[layer, "attn_out"]
    queries = heads * width // parts.units[HEADS][layer]
    if kind == "attn_out":
        return rows, columns - queries
    return rows - queries - groups * parts.key_value_rows(layer) // parts.units[KV_GROUPS][layer], columns
