"""A model that is really smaller computes what the one with zeros does, for any plan, in ten families."""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pruning.engine.architecture.equivalence import TOLERANCES, relative_error
from pruning.engine.architecture.groups import GroupInfo, find_groups
from pruning.engine.architecture.units import Removal, Units, find_units
from pruning.engine.masking.change import applied_change
from pruning.engine.structured.selection import UnitRemoval, as_change
from pruning.engine.structured.surgery import smaller
from tests.support.tiny import FAMILIES, HEADS, INNER, LAYERS, tiny_model

IDS = torch.arange(3, 40).unsqueeze(0)
GROUPED = {"llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"}
# Of four heads in two KV groups: one of each, or both of one.
FROM_GROUPS: list[tuple[int, ...]] = [(0, 2), (0, 3), (1, 2), (1, 3), (0, 1), (2, 3)]


@cache
def model_of(family: str) -> tuple[nn.Module, list[GroupInfo], Units, torch.Tensor]:
    """A tiny model of a family with its groups, its units and its logits."""
    model = tiny_model(family)
    groups = find_groups(model)
    return model, groups, find_units(model, groups), logits(model)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(input_ids=IDS, use_cache=False).logits
        return result


@st.composite
def removals(draw: Any, grouped: bool) -> Removal:
    """Any neurons but all, heads that can go together, and layers but all."""
    dropped = draw(st.sets(st.integers(0, LAYERS - 1), max_size=LAYERS - 1))
    neurons, heads = {}, {}
    for layer in sorted(set(range(LAYERS)) - dropped):
        gone = draw(st.sets(st.integers(0, INNER - 1), max_size=INNER - 1))
        if gone:
            neurons[layer] = tuple(sorted(gone))
        some_heads = st.sets(st.integers(0, HEADS - 1), max_size=HEADS - 1)
        taken = draw(st.sampled_from([(), *FROM_GROUPS]) if grouped else some_heads.map(sorted).map(tuple))
        if taken:
            heads[layer] = taken
    return Removal(neurons, heads, tuple(sorted(dropped)))


@pytest.mark.parametrize("family", FAMILIES)
def test_surgery_is_masking(family: str) -> None:
    model, groups, units, dense = model_of(family)

    @given(removals(family in GROUPED))
    @settings(max_examples=12)
    def holds(removal: Removal) -> None:
        small = smaller(model, units, removal)
        with applied_change(model, groups, as_change(model, groups, units, UnitRemoval(removal))):
            expected = logits(model)
        assert relative_error(expected, logits(small), dense) < TOLERANCES[torch.float32]
        assert torch.equal(logits(model), dense)

    holds()
