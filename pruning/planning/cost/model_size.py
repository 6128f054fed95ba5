"""How large a model would be, worked out from its parts: pruned, stored sparsely, in 8 bits. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning.planning.cost.parts import Parts, without
from pruning.planning.cost.storage import bitmask_bytes, csr_bytes, dense_bytes
from pruning.planning.recipe.plan import Plan

# What a running model remembers keys and values of, unless something else is asked.
CONTEXT_TOKENS = 2048


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


def sizes(parts: Parts, plan: Plan, round_to: int | None = None) -> list[Size]:
    """The model in every form: "ordinary", "bitmask", "csr", "int8", "int8 bitmask".

    `plan`: shares of units, which are cut out of the tensors, and of single weights, which are zero in what
    stays. An ordinary file holds zeros like any number. A bitmask has one bit for each weight and the values
    that are not zero; CSR (compressed sparse rows) has these with their column, 2 bytes or 4, and where each
    row begins. int8 is one byte a weight of the groups and a scale for each row in the model's own format. A
    group whose sparse form would be larger is stored densely, and embeddings, head, norms and biases are
    always.
    """
    return sizes_left(without(parts, plan, round_to), plan)


def sizes_left(left: Parts, plan: Plan) -> list[Size]:
    """The same of what stays once units are cut out (see `pruning.planning.cost.parts.without`)."""
    wide, narrow = left.weight_bytes, 1
    rows, columns = np.array(list(left.shapes.values()), dtype=float).reshape(-1, 2).T
    counts = rows * columns
    kept = counts * (1 - np.array([plan.get(group, 0.0) for group in left.shapes]))
    scales = wide * rows.sum()
    forms = {
        "ordinary": dense_bytes(counts, wide).sum(),
        "bitmask": bitmask_bytes(counts, kept, wide).sum(),
        "csr": csr_bytes((rows, columns), kept, wide).sum(),
        "int8": scales + dense_bytes(counts, narrow).sum(),
        "int8 bitmask": scales + bitmask_bytes(counts, kept, narrow).sum(),
    }
    stay = [wide * count for count in (left.embedding, left.own_head, left.rest)]
    return [Size(form, round(float(groups)), *stay) for form, groups in forms.items()]


def smallest(sizes: Sequence[Size]) -> Size:
    """The form that takes least room with every weight as it is; 8 bits round them, and do not count."""
    return min((size for size in sizes if not size.form.startswith("int8")), key=lambda size: size.total)


def running_bytes(left: Parts, context: int = CONTEXT_TOKENS) -> int:
    """Bytes that a model takes while it runs: its weights, and keys and values of `context` tokens.

    `left` is what stays of it (see `pruning.planning.cost.parts.without`); zeros take as much as any number.
    Keys and values are kept in the number format of the weights, for every layer and KV group that stays.
    What is computed in passing is not counted, nor that some layers may remember fewer tokens.
    """
    cache = context * sum(left.key_value_rows(layer) for layer in left.layers)
    return left.weight_bytes * (left.parameters + cache)
