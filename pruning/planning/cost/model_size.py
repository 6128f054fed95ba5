"""How large a model would be, worked out from its parts: pruned, stored sparsely, in 8 bits. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pruning.errors import PruningError
from pruning.planning.cost.storage import bitmask_bytes, csr_bytes, dense_bytes
from pruning.planning.recipe.plan import Group, Plan


@dataclass(frozen=True)
class Parts:
    """What a model's weights belong to, in numbers of weights.

    `shapes` [group]: rows and columns of each group that can be pruned. `embedding`: tables that words and
    places are looked up in. `head`: the matrix that turns the last state into words; `tied` says that it is
    the embedding itself, and then it counts once. `rest`: norms and biases. `heads` and `kv_groups` are those
    of one layer, 0 where they do not come apart. `weight_bytes`: bytes of one weight.
    """

    shapes: Mapping[Group, tuple[int, int]]
    embedding: int
    head: int
    tied: bool
    rest: int
    heads: int
    kv_groups: int
    weight_bytes: int

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


def parts_of(facts: Mapping[str, Any]) -> Parts:
    """The parts of an inspected model. Raises PruningError for facts of before these were counted."""
    try:
        shapes = {(g["layer"], g["kind"]): (int(g["shape"][0]), int(g["shape"][1])) for g in facts["groups"]}
        embedding, head, tied = facts["embedding_parameters"], facts["head_parameters"], facts["tied_head"]
    except KeyError:
        raise PruningError(
            "What this model's embeddings take was not counted when it was loaded. Load it again on Model."
        ) from None
    units = facts.get("units") or {}
    parts = Parts(
        shapes=shapes,
        embedding=embedding,
        head=head,
        tied=tied,
        rest=0,
        heads=max(units.get("heads") or [0]),
        kv_groups=max(units.get("kv_groups") or [0]),
        weight_bytes=round(facts["bytes"] / facts["parameters"]),
    )
    return replace(parts, rest=facts["parameters"] - parts.parameters)


def without(parts: Parts, kind: str, share: float) -> Parts:
    """The parts when the share of every layer's neurons, heads or KV groups is cut out, or of all layers.

    Norms and biases are left as they are: they are next to nothing. Keys and values stay with heads that
    share them, and are pruned with heads that have their own.
    """
    if kind == "layers":
        layers = sorted({layer for layer, _ in parts.shapes})
        kept = set(layers[: len(layers) - round(share * len(layers))])
        return replace(
            parts, shapes={group: shape for group, shape in parts.shapes.items() if group[0] in kept}
        )
    return replace(
        parts,
        shapes={g: _narrower(parts, g[1], shape, kind, share) for g, shape in parts.shapes.items()},
    )


def _narrower(parts: Parts, block: str, shape: tuple[int, int], kind: str, share: float) -> tuple[int, int]:
    """Rows and columns kept of one group."""
    rows, columns = shape
    if kind == "neurons":
        if block in ("gate", "up"):
            return round(rows * (1 - share)), columns
        return (rows, round(columns * (1 - share))) if block == "down" else shape
    if block == "attn_out":
        return rows, round(columns * (1 - share))
    if block != "qkv":
        return shape
    shared = kind == "heads" and parts.kv_groups < parts.heads
    queries = parts.heads / (parts.heads + 2 * parts.kv_groups) if shared else 1.0
    return round(rows * (1 - share * queries)), columns


@dataclass(frozen=True)
class Size:
    """Bytes of a model in one form: `groups` what can be pruned, and what does not shrink with it."""

    form: str
    groups: int
    embedding: int
    head: int
    rest: int

    @property
    def total(self) -> int:
        """Bytes of the whole model."""
        return self.groups + self.embedding + self.head + self.rest


def sizes(parts: Parts, plan: Plan) -> list[Size]:
    """The model in every form: "ordinary", "bitmask", "csr", "int8", "int8 bitmask".

    `plan`: shares of single weights that are zero. An ordinary file holds zeros like any number. A bitmask
    has one bit for each weight and the values that are not zero; CSR (compressed sparse rows) has these with
    their column, 2 bytes or 4, and where each row begins. int8 is one byte a weight of the groups and a scale
    for each row in the model's own format. A group whose sparse form would be larger is stored densely, and
    embeddings, head, norms and biases are always.
    """
    wide, narrow = parts.weight_bytes, 1
    kept = {g: rows * columns * (1 - plan.get(g, 0.0)) for g, (rows, columns) in parts.shapes.items()}
    counts = {g: rows * columns for g, (rows, columns) in parts.shapes.items()}
    scales = wide * sum(rows for rows, _ in parts.shapes.values())
    forms = {
        "ordinary": sum(dense_bytes(count, wide) for count in counts.values()),
        "bitmask": sum(bitmask_bytes(count, kept[g], wide) for g, count in counts.items()),
        "csr": sum(csr_bytes(shape, kept[g], wide) for g, shape in parts.shapes.items()),
        "int8": scales + sum(dense_bytes(count, narrow) for count in counts.values()),
        "int8 bitmask": scales + sum(bitmask_bytes(count, kept[g], narrow) for g, count in counts.items()),
    }
    stay = [wide * count for count in (parts.embedding, parts.own_head, parts.rest)]
    return [Size(form, round(groups), *stay) for form, groups in forms.items()]


def smallest(sizes: Sequence[Size]) -> Size:
    """The form that takes least room with every weight as it is; 8 bits round them, and do not count."""
    return min((size for size in sizes if not size.form.startswith("int8")), key=lambda size: size.total)
