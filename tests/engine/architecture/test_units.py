"""Units are found from structure: what is said to belong to a unit is all that reaches it, and no more."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, Olmo2Config

from pruning.engine.architecture.groups import Part, find_groups, weight_view
from pruning.engine.architecture.units import (
    Removal,
    find_heads,
    find_neurons,
    find_units,
    pruned_columns,
    pruned_groups,
    pruned_rows,
    unit_weights,
)
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, HEADS, HIDDEN, INNER, KV_HEADS, LAYERS, tiny_model

IDS = torch.arange(3, 15).unsqueeze(0)
SINGLE_KV = {"gpt2", "opt", "gpt_neox"}


def given_to(model: nn.Module, part: Part) -> torch.Tensor:
    """What the module of `part` is given [tokens, in], in one forward pass."""
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(part.module).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        with torch.no_grad():
            model(input_ids=IDS)
    finally:
        handle.remove()
    return seen[0].flatten(0, -2).clone()


def shift(model: nn.Module, part: Part) -> None:
    """Change what a part puts out, by its weights."""
    weight_view(model, part).mul_(-1.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_neuron_is_a_column_of_down_and_the_rows_that_reach_it(family: str) -> None:
    model = tiny_model(family)
    found = find_neurons(model, find_groups(model))
    assert sorted(found) == list(range(LAYERS))
    neurons = found[1]
    assert neurons.count == INNER
    before = given_to(model, neurons.down)
    for part in neurons.rows:
        start = part.rows[0] if part.rows else 0
        shift(model, Part(part.module, (start + 5, start + 25)))
    changed = (given_to(model, neurons.down) != before).any(dim=0)
    assert len(changed.nonzero()) > 5
    assert not changed[:5].any()
    assert not changed[25:].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_is_a_block_of_attn_out_and_the_rows_that_reach_it(family: str) -> None:
    model = tiny_model(family)
    heads = find_heads(model, find_groups(model))[1]
    groups = HEADS if family in SINGLE_KV else KV_HEADS
    assert (heads.count, heads.size) == (HEADS, HIDDEN // HEADS)
    assert heads.group_of == tuple(head * groups // HEADS for head in range(HEADS))
    before = given_to(model, heads.out)
    for part in heads.queries[2]:
        shift(model, part)
    changed = (given_to(model, heads.out) != before).any(dim=0)
    assert set(changed.nonzero().flatten().tolist()) <= set(heads.columns([2]))
    assert changed.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_and_values_reach_the_heads_of_their_group_alone(family: str) -> None:
    model = tiny_model(family)
    heads = find_heads(model, find_groups(model))[1]
    before = given_to(model, heads.out)
    for part in heads.keys_values[1]:
        shift(model, part)
    changed = (given_to(model, heads.out) != before).any(dim=0)
    assert changed.nonzero().flatten().tolist() == heads.columns(heads.members(1))


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_and_neurons_together_are_every_row_and_column(family: str) -> None:
    model = tiny_model(family)
    groups = find_groups(model)
    units = find_units(model, groups)
    everything = Removal({0: tuple(range(INNER))}, {0: tuple(range(HEADS))})
    rows, columns = pruned_rows(units, everything), pruned_columns(units, everything)
    for group in groups:
        for part in group.parts if group.layer == 0 else ():
            out, inner = weight_view(model, Part(part.module)).shape
            if group.kind in ("down", "attn_out"):
                assert columns[part.module] == list(range(inner))
            else:
                assert rows[part.module] == list(range(out))


def test_a_kv_group_is_pruned_with_the_last_of_its_heads() -> None:
    model = tiny_model("llama")
    heads = find_heads(model, find_groups(model))[1]
    assert pruned_groups(heads, (0, 2)) == []
    assert pruned_groups(heads, (3, 1, 2)) == [1]


def test_units_weigh_what_is_pruned_with_them() -> None:
    model = tiny_model("llama")
    units = find_units(model, find_groups(model))
    assert unit_weights(model, units, "neurons") == dict.fromkeys(range(LAYERS), 3 * HIDDEN)
    size = HIDDEN // HEADS
    assert unit_weights(model, units, "heads") == dict.fromkeys(range(LAYERS), 2 * HIDDEN * size)
    # Two heads, and the keys and the values they share.
    assert unit_weights(model, units, "kv_groups") == dict.fromkeys(range(LAYERS), 6 * HIDDEN * size)


def test_finding_heads_leaves_the_model_as_it_was() -> None:
    model = tiny_model("qwen3")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    find_heads(model, find_groups(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_heads_that_are_normed_together_do_not_come_apart() -> None:
    config = Olmo2Config(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
    with pytest.raises(PruningError, match="do not come apart"):
        find_heads(model, find_groups(model))
