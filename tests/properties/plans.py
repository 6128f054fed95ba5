"""What properties are tried on: models of some layers, and any plan that can be set on them."""

from typing import Any

from hypothesis import strategies as st

from pruning.planning.recipe.plan import KINDS, LAYERS, MAX_LEVEL, UNIT_KINDS, Group, Plan

MOST_LAYERS = 6


def groups_of(layers: int) -> list[Group]:
    """What a model of so many layers has: units and weights."""
    return [(layer, kind) for kind in (*UNIT_KINDS, *KINDS) for layer in range(layers)]


def levels() -> st.SearchStrategy[float]:
    """Levels that prune something: whole percents more often than not, as people set them."""
    percents = st.integers(1, round(MAX_LEVEL * 100)).map(lambda percent: percent / 100)
    return st.one_of(percents, st.floats(1e-6, MAX_LEVEL, allow_nan=False))


@st.composite
def plans(draw: Any) -> tuple[list[Group], Plan]:
    """The groups of a model and a plan of theirs that does not contradict itself."""
    layers = draw(st.integers(1, MOST_LAYERS))
    dropped = draw(st.sets(st.integers(0, layers - 1), max_size=layers - 1))
    plan: Plan = {(layer, LAYERS): 1.0 for layer in dropped}
    for layer in sorted(set(range(layers)) - dropped):
        heads = draw(st.sampled_from(["heads", "kv_groups"]))
        for kind in ("neurons", heads, *KINDS):
            level = draw(st.one_of(st.just(0.0), levels()))
            if level:
                plan[layer, kind] = level
    return groups_of(layers), plan
