"""The walk through the layers: units go, and the weights that stay are pruned, for every family."""

from typing import Any

import pytest
import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import GroupInfo, find_groups
from pruning.engine.architecture.units import Units, find_units
from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.models.load import fingerprint
from pruning.engine.structured.kept_weights import WeightPruning
from pruning.engine.structured.layerwise import LayerwisePlan, _Walk, prune_layerwise
from pruning.engine.structured.scores import UnitScorer
from pruning.engine.structured.selection import UnitRemoval, as_change
from pruning.engine.structured.surgery import smaller
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Group, Plan
from tests.support.tiny import FAMILIES, INNER, LAYERS, VOCABULARY, tiny_model

GENERATOR = torch.Generator().manual_seed(2)
WINDOWS = torch.randint(3, VOCABULARY, (48, 32), generator=GENERATOR)
UNSEEN = torch.randint(3, VOCABULARY, (8, 32), generator=GENERATOR)
MIXED = MaskOptions(structure="mixed", scope="group")
# Layer 0 loses heads and neurons, layer 1 goes, layer 2 loses neurons.
COUNTS: dict[Group, int] = {(0, "heads"): 2, (0, "neurons"): INNER // 4, (2, "neurons"): INNER // 2}


def parts(family: str) -> tuple[nn.Module, list[GroupInfo], Units]:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    return model, groups, find_units(model, groups)


def walked(
    parts: tuple[nn.Module, list[GroupInfo], Units],
    name: str,
    levels: Plan,
    options: MaskOptions = MIXED,
    **how: Any,
) -> WeightChange:
    model, groups, units = parts
    dense = criterion_inputs(collect(model, groups, WINDOWS[:8]))
    scorer = UnitScorer(model, units, criterion("fisher"), dense)
    pruning = WeightPruning(levels, criterion(name), dense, options)
    plan = LayerwisePlan(**{"counts": COUNTS, "dropped": (1,), **how}, weights=pruning)
    return prune_layerwise(scorer, groups, plan, WINDOWS)


def half(groups: list[GroupInfo], level: float = 0.5) -> Plan:
    return {group.key: level for group in groups if group.layer != 1}


@pytest.mark.parametrize("name", ["magnitude", "fisher", "sparsegpt", "corrected"])
@pytest.mark.parametrize("family", FAMILIES)
def test_levels_are_shares_of_what_stays_and_the_model_is_dense_again(family: str, name: str) -> None:
    model, groups, units = given = parts(family)
    before = fingerprint(model)
    change = walked(given, name, half(groups))
    assert fingerprint(model) == before
    assert not any(module._forward_hooks for module in model.modules())
    assert change.units is not None
    gone = as_change(model, groups, units, UnitRemoval(change.units)).removed
    for group in groups:
        mask = change.removed[group.key]
        if group.layer == 1:
            assert mask.all()
            continue
        with_units = gone.get(group.key, torch.zeros_like(mask))
        assert mask[with_units].all()
        stays = int((~with_units).sum())
        rows = len(group.parts) + 1  # each part of a group is rounded by itself
        assert int(mask.sum()) - int(with_units.sum()) == pytest.approx(0.5 * stays, abs=rows)
        if group.key in change.weights:
            assert not change.weights[group.key][mask].any()
    with applied_change(model, groups, change):
        expected = run(model, UNSEEN)
        small = smaller(model, units, change.units)
        assert same_values(head_of(model)(expected), head_of(small)(run(small, UNSEEN)))
    assert fingerprint(model) == before


def test_patterns_hold_among_the_columns_that_stay() -> None:
    model, groups, units = given = parts("llama")
    options = MaskOptions(structure="mixed", pattern="2:4")
    change = walked(given, "sparsegpt", half(groups), options)
    assert change.units is not None
    with applied_change(model, groups, change):
        small: Any = smaller(model, units, change.units)
    for layer in small.model.layers:
        for linear in (layer.mlp.down_proj, layer.mlp.up_proj, layer.self_attn.o_proj):
            assert ((linear.weight == 0).unflatten(1, (-1, 4)).sum(-1) == 2).all()


def test_a_walk_towards_the_dense_model_comes_nearer_to_it() -> None:
    """Unlike Wanda, which leaves what stays as it is; both lose the same units."""
    model, groups, _ = given = parts("llama")
    dense = run(model, UNSEEN)
    errors = {}
    for name in ("wanda", "sparsegpt", "corrected"):
        levels = {group.key: 0.5 for group in groups}
        with applied_change(model, groups, walked(given, name, levels, dropped=())):
            errors[name] = float((run(model, UNSEEN) - dense).square().mean())
    assert errors["corrected"] < errors["sparsegpt"] < errors["wanda"]


def test_weights_are_scored_on_what_the_pruned_model_gives_them() -> None:
    """Without layer 1, layer 2 gets other inputs, so that Wanda chooses other weights in it."""
    given = parts("llama")
    levels = {(2, "up"): 0.5}
    dropped = walked(given, "wanda", levels, counts={}, dropped=(0, 1)).removed[2, "up"]
    alone = walked(given, "wanda", levels, counts={}, dropped=()).removed[2, "up"]
    assert bool((dropped != alone).any())
    first = walked(given, "wanda", {(0, "up"): 0.5}, counts={}, dropped=()).removed[0, "up"]
    same = walked(given, "wanda", {(0, "up"): 0.5}, counts={}, dropped=(1, 2)).removed[0, "up"]
    assert torch.equal(first, same)


def test_without_compensation_only_zeros_come() -> None:
    given = parts("llama")
    change = walked(given, "magnitude", half(given[1]), compensate=False)
    assert not change.weights
    assert change.units is not None
    assert len(change.units.neurons[2]) == INNER // 2


def test_stopping_half_way_leaves_the_model_dense() -> None:
    model, groups, units = parts("llama")
    before = fingerprint(model)

    def stop(done: float, *_: Any) -> None:
        if done == LAYERS - 1:
            raise KeyboardInterrupt

    dense = criterion_inputs(collect(model, groups, WINDOWS[:8]))
    scorer = UnitScorer(model, units, criterion("fisher"), dense)
    plan = LayerwisePlan(COUNTS, weights=WeightPruning(half(groups), criterion("corrected"), dense, MIXED))
    with pytest.raises(KeyboardInterrupt):
        prune_layerwise(scorer, groups, plan, WINDOWS, stop)
    assert fingerprint(model) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_states_put_together_are_those_of_a_second_pass(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = parts(family)
    counts = {(0, "neurons"): 16, (2, "neurons"): 16}
    together = walked(given, "wanda", half(given[1]), counts=counts, dropped=())
    monkeypatch.setattr(_Walk, "_after", lambda walk, index, _: walk.windows_pass.step(index, walk.states))
    passed = walked(given, "wanda", half(given[1]), counts=counts, dropped=())
    assert all(torch.equal(mask, passed.removed[key]) for key, mask in together.removed.items())
    for key, weight in together.weights.items():
        assert torch.allclose(weight, passed.weights[key], atol=1e-6)
