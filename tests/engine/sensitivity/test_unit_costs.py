"""Units in the map: priced for every family from its Fisher factors, in the order of what they cost."""

import numpy as np
import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.architecture.units import find_units
from pruning.engine.calibration.fisher import collect
from pruning.engine.sensitivity import unit_costs
from pruning.engine.sensitivity.layer_costs import price_layers
from pruning.engine.sensitivity.unit_costs import UnitCosts, price_units
from tests.support.tiny import FAMILIES, HEADS, HIDDEN, INNER, KV_HEADS, LAYERS, VOCABULARY, tiny_model

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
WINDOWS = torch.randint(3, VOCABULARY, (8, 32), generator=torch.Generator().manual_seed(0))


def priced(family: str, **changes: int) -> UnitCosts:
    model = tiny_model(family, **changes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    groups = find_groups(model)
    found = price_units(model, groups, collect(model, groups, WINDOWS), LEVELS)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_units_of_every_family_are_priced_and_cost_more_the_more_of_them_go(family: str) -> None:
    found = priced(family)
    assert found.kronecker.shape == found.token.shape == (len(found.groups), len(LEVELS))
    assert np.isfinite(found.kronecker).all()
    assert (found.kronecker > 0).all()
    for group, costs in zip(found.groups, found.kronecker, strict=True):
        steps = np.diff(costs)
        assert (steps == 0).all() if group[1] == "layers" else (steps > 0).all(), group
    assert {layer for layer, kind in found.groups if kind == "neurons"} == set(range(LAYERS))


def test_kinds_come_by_layer_and_have_the_weights_of_all_their_units() -> None:
    found = priced("llama")
    assert found.groups[:4] == ((0, "layers"), (0, "heads"), (0, "kv_groups"), (0, "neurons"))
    size = HIDDEN // HEADS
    attention = (HIDDEN + 2 * KV_HEADS * size) * HIDDEN + HIDDEN * HIDDEN
    mlp = 3 * HIDDEN * INNER
    assert found.parameters[:4] == (attention + mlp + 2 * HIDDEN, 2 * HIDDEN * HIDDEN, attention, mlp)
    assert found.totals["heads"] == dict.fromkeys(range(LAYERS), HEADS)


def test_heads_with_their_own_keys_have_all_of_attention() -> None:
    found = priced("llama", num_key_value_heads=HEADS)
    sizes = dict(zip(found.groups, found.parameters, strict=True))
    assert sizes[0, "heads"] == sizes[0, "kv_groups"] == 4 * HIDDEN * HIDDEN


def test_a_kind_that_a_layer_has_one_of_is_left_out() -> None:
    found = priced("llama", num_key_value_heads=1)
    assert "kv_groups" not in found.totals
    assert not any(kind == "kv_groups" for _, kind in found.groups)


def test_heads_that_do_not_come_apart_leave_neurons_and_layers() -> None:
    model = tiny_model("llama")
    groups = find_groups(model)
    statistics = collect(model, groups, WINDOWS)
    # What one head puts out now depends on another's keys.
    attention = model.model.layers[1].self_attn
    attention.k_proj.register_forward_hook(lambda _, __, output: output + output.flip(-1))
    found = price_units(model, groups, statistics, LEVELS)
    assert {kind for _, kind in found.groups} == {"layers", "neurons"}


def test_what_a_head_costs_is_what_the_refitted_weight_changes() -> None:
    model = tiny_model("llama")
    groups = find_groups(model)
    statistics = collect(model, groups, WINDOWS)
    found = price_units(model, groups, statistics, (0.25, 0.5))
    at = found.groups.index((1, "heads"))
    factors = statistics.groups[1, "attn_out"]
    heads = find_units(model, groups).heads[1]
    assert found.kronecker[at, 0] < found.kronecker[at, 1]
    weight = model.model.layers[1].self_attn.o_proj.weight
    silent = unit_costs.price_changes([-weight.detach()], factors, [1.0])
    assert found.kronecker[at, 1] < silent[0][0]
    assert heads.count == HEADS


def test_a_layer_costs_what_its_outputs_are_worth_and_more_where_it_holds_the_outliers() -> None:
    model = tiny_model("llama")
    groups = find_groups(model)
    costs = price_layers(model, groups, collect(model, groups, WINDOWS))
    assert sorted(costs) == list(range(LAYERS))
    assert all(kronecker > 0 and token > 0 for kronecker, token in costs.values())
    layer = model.model.layers[2]
    for module in (layer.self_attn.o_proj, layer.mlp.down_proj):
        module.weight.data.mul_(1e-3)
    assert price_layers(model, groups, collect(model, groups, WINDOWS))[2][0] < 0.01 * costs[2][0]
