"""SparseGPT on whole models: every family, every structure it knows, and dense again afterwards."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import layer_inputs, run
from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import criterion
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.masking.sparsegpt import check, choice, part_rows, sparsegpt
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (12, 32), generator=torch.Generator().manual_seed(0))


def _error(model: Any, change: WeightChange, dense: torch.Tensor) -> float:
    with applied_change(model, find_groups(model), change):
        return float((run(model, WINDOWS) - dense).square().mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_pruned_better_than_by_wanda_and_comes_back(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    dense = run(model, WINDOWS)
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    change = sparsegpt(model, groups, plan, WINDOWS, DEFAULT)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    for group in groups:
        gone, new = change.removed[group.layer, group.kind], change.weights[group.layer, group.kind]
        assert int(gone.sum()) == round(0.5 * gone.numel())
        assert not new[gone].any()
    known = criterion_inputs(collect(model, groups, WINDOWS))
    wanda = WeightChange(plan_masks(model, groups, criterion("wanda"), plan, known))
    assert _error(model, change, dense) < 0.9 * _error(model, wanda, dense)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_layer_is_pruned_on_what_the_pruned_layers_before_give_it() -> None:
    model = tiny_model("gpt2").eval().requires_grad_(False)
    groups = find_groups(model)
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    change = sparsegpt(model, groups, plan, WINDOWS, DEFAULT)
    qkv = next(group for group in groups if (group.layer, group.kind) == (2, "qkv"))
    earlier = [group for group in groups if group.layer < 2]
    with applied_change(model, earlier, change):
        given = layer_inputs(model, WINDOWS, [2])[0][2]
        x = model.transformer.h[2].ln_1(given).flatten(0, 1)
    choose, _ = choice(0.5, DEFAULT, part_rows(model, qkv))
    new, _ = obs_prune(group_weight(model, qkv), x.T @ x / len(x), choose)
    torch.testing.assert_close(change.weights[2, "qkv"], new, rtol=1e-3, atol=1e-4)


def test_levels_differ_between_groups_and_what_is_not_in_the_plan_stays() -> None:
    model = tiny_model("phi3").eval().requires_grad_(False)
    groups = find_groups(model)
    change = sparsegpt(model, groups, {(0, "up"): 0.25, (1, "qkv"): 0.75}, WINDOWS, DEFAULT)
    assert set(change.removed) == set(change.weights) == {(0, "up"), (1, "qkv")}
    shares = {key: float(mask.float().mean()) for key, mask in change.removed.items()}
    assert shares == {(0, "up"): pytest.approx(0.25), (1, "qkv"): pytest.approx(0.75)}


def test_queries_keys_and_values_each_lose_the_level() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    with torch.no_grad():
        model.model.layers[0].self_attn.v_proj.weight.mul_(0.01)
    groups = find_groups(model)
    qkv = next(group for group in groups if (group.layer, group.kind) == (0, "qkv"))
    assert part_rows(model, qkv) == [32, 16, 16]
    gone = sparsegpt(model, groups, {(0, "qkv"): 0.5}, WINDOWS, DEFAULT).removed[0, "qkv"]
    assert [float(own.float().mean()) for own in gone.split([32, 16, 16])] == pytest.approx([0.5] * 3)


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3"])
def test_two_of_every_four_inputs_stay(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    change = sparsegpt(model, groups, plan, WINDOWS, MaskOptions(structure="n:m", pattern="2:4"))
    for weight in change.weights.values():
        assert ((weight == 0).unflatten(1, (-1, 4)).sum(-1) == 2).all()


def test_rows_can_be_compared_each_for_itself() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    options = MaskOptions(scope="row")
    change = sparsegpt(model, find_groups(model), {(0, "up"): 0.5}, WINDOWS, options)
    assert (change.removed[0, "up"].sum(1) == 16).all()


def test_what_it_cannot_do_is_explained() -> None:
    for wrong, words in (
        (MaskOptions(scope="model"), "no scope model"),
        (MaskOptions(structure="block", block="4x4"), "single weights"),
    ):
        with pytest.raises(PruningError, match=words):
            check(wrong)


def test_stopping_half_way_leaves_the_model_dense() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def stop(done: float, *_: Any) -> None:
        if done == 2:
            raise KeyboardInterrupt

    plan = {(layer, "up"): 0.5 for layer in range(3)}
    with pytest.raises(KeyboardInterrupt):
        sparsegpt(model, find_groups(model), plan, WINDOWS, DEFAULT, stop)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
