"""Units chosen, refitted and put on the full-size model as zeros."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import GroupInfo, find_groups, weight_view
from pruning.engine.architecture.units import Removal, Units, find_units, pruned_groups
from pruning.engine.calibration.fisher import Statistics, collect
from pruning.engine.criteria import criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.models.load import fingerprint
from pruning.engine.structured.layerwise import LayerwisePlan, prune_layerwise
from pruning.engine.structured.scores import UnitScorer
from pruning.engine.structured.selection import (
    UnitRemoval,
    as_change,
    check_passed_over,
    choose_units,
    lowest_units,
    unit_counts,
)
from pruning.errors import PruningError
from pruning.planning.recipe.mix import in_whole_units
from pruning.planning.recipe.plan import Group
from tests.support.tiny import FAMILIES, HEADS, INNER, LAYERS, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (24, 64), generator=torch.Generator().manual_seed(5))
HALF = {"neurons": INNER // 2, "heads": 2, "kv_groups": 1}


def examined(model: nn.Module) -> tuple[list[GroupInfo], Units, Statistics]:
    groups = find_groups(model)
    return groups, find_units(model, groups), collect(model, groups, WINDOWS[:8])


def counts(kind: str) -> dict[Group, int]:
    return {(layer, kind): HALF[kind] for layer in range(LAYERS)}


def kl(model: nn.Module, windows: torch.Tensor, change: Callable[[], Any]) -> float:
    """Mean KL(dense ‖ changed) over all positions."""
    head = head_of(model)
    before = head(run(model, windows)).log_softmax(-1)
    with change():
        after = head(run(model, windows)).log_softmax(-1)
    return float((before.exp() * (before - after)).sum(-1).mean())


def test_levels_become_counts_and_one_unit_stays() -> None:
    model = tiny_model("llama")
    units = find_units(model, find_groups(model))
    assert unit_counts(units, {(0, "neurons"): 0.25, (1, "neurons"): 0.001}) == {(0, "neurons"): 16}
    assert unit_counts(units, {(0, "heads"): 0.5, (1, "heads"): 0.95}) == {(0, "heads"): 2, (1, "heads"): 3}
    mixed = {(0, "neurons"): 0.3, (0, "heads"): 0.5}
    assert unit_counts(units, mixed, 32) == {(0, "neurons"): 32, (0, "heads"): 2}, "heads are not rounded"
    as_planned = in_whole_units(mixed, {kind: units.totals(kind) for _, kind in mixed}, 32)
    assert as_planned == {(0, "neurons"): 0.5, (0, "heads"): 0.5}, "as pages, sizes and lights have it"
    assert unit_counts(units, {(0, "kv_groups"): 0.5, (2, "kv_groups"): 0.9}) == {
        (0, "kv_groups"): 1,
        (2, "kv_groups"): 1,
    }


@pytest.mark.parametrize(
    ("level", "multiple", "kept"),
    [(0.2, 8, 48), (0.2, 32, 64), (0.3, 32, 32), (0.9, 32, 32), (0.05, 8, 64), (0.2, 48, 48), (0.5, 256, 64)],
)
def test_rounding_takes_the_nearest_multiple_and_never_grows(level: float, multiple: int, kept: int) -> None:
    model = tiny_model("llama")
    pruned = unit_counts(find_units(model, find_groups(model)), {(0, "neurons"): level}, multiple)
    assert INNER - pruned.get((0, "neurons"), 0) == kept


@pytest.mark.parametrize("name", ["fisher", "l2", "magnitude", "wanda", "random"])
def test_unit_scores_agree_with_the_weights_they_are_made_of(name: str) -> None:
    model = tiny_model("llama")
    _, units, statistics = examined(model)
    inputs, chosen = criterion_inputs(statistics), criterion(name)
    down = weight_view(model, units.neurons[1].down).float()
    scores = chosen.score(down, inputs((1, "down"))).pow(chosen.norm).sum(0)
    if name in ("l2", "magnitude", "random"):
        rows = [chosen.score(weight_view(model, part), inputs((1, "down"))) for part in units.neurons[1].rows]
        scores = scores + sum(part.pow(chosen.norm).sum(1) for part in rows)
    pruned = lowest_units(UnitScorer(model, units, chosen, inputs), 1, "neurons", 5)
    assert set(pruned) == set(scores.argsort()[:5].tolist())


def test_the_fisher_score_of_a_head_is_what_removing_it_costs() -> None:
    model = tiny_model("llama")
    _, units, statistics = examined(model)
    heads, factors = units.heads[2], statistics.groups[2, "attn_out"]
    weight = weight_view(model, heads.out).float()
    costs = []
    for head in range(HEADS):
        change = torch.zeros_like(weight)
        change[:, heads.columns([head])] = weight[:, heads.columns([head])]
        costs.append(
            0.5 * float(((change @ factors.input_covariance) * change).sum(1) @ factors.score_outputs)
        )
    pruned = lowest_units(
        UnitScorer(model, units, criterion("fisher"), criterion_inputs(statistics)), 2, "heads", 1
    )
    assert pruned == (costs.index(min(costs)),)


def pruned_units(change: WeightChange) -> Removal:
    assert change.units is not None
    return change.units


@pytest.mark.parametrize("compensated", [True, False])
def test_heads_go_evenly_where_their_number_divides(compensated: bool) -> None:
    model = tiny_model("llama")
    groups, units, statistics = examined(model)
    scorer = UnitScorer(model, units, criterion("fisher"), criterion_inputs(statistics))
    for count, even in ((2, True), (1, False)):
        number = {(layer, "heads"): count for layer in range(LAYERS)}
        if compensated:
            removal = pruned_units(prune_layerwise(scorer, groups, LayerwisePlan(number), WINDOWS))
        else:
            removal = choose_units(scorer, number)
        for layer, pruned in removal.heads.items():
            losing = {units.heads[layer].group_of[head] for head in pruned}
            assert len(pruned) == count
            assert (len(losing) == 2) is even


def test_a_kv_group_goes_with_all_its_heads() -> None:
    model = tiny_model("llama")
    groups, units, statistics = examined(model)
    number = {(1, "kv_groups"): 1}
    scorer = UnitScorer(model, units, criterion("fisher"), criterion_inputs(statistics))
    removal = pruned_units(prune_layerwise(scorer, groups, LayerwisePlan(number), WINDOWS))
    assert len(pruned_groups(units.heads[1], removal.heads[1])) == 1
    assert len(removal.heads[1]) == HEADS // 2


@pytest.mark.parametrize("kind", ["neurons", "heads"])
@pytest.mark.parametrize("family", FAMILIES)
def test_refitting_helps_and_leaves_the_model_dense(family: str, kind: str) -> None:
    model = tiny_model(family)
    groups, units, statistics = examined(model)
    before = fingerprint(model)
    scorer = UnitScorer(model, units, criterion("fisher"), criterion_inputs(statistics))
    bare = UnitRemoval(choose_units(scorer, counts(kind)))
    fitted = prune_layerwise(scorer, groups, LayerwisePlan(counts(kind)), WINDOWS)
    assert fingerprint(model) == before
    damage = [
        kl(model, WINDOWS, lambda c=change: applied_change(model, groups, c))
        for change in (as_change(model, groups, units, bare), fitted)
    ]
    assert 0 < damage[1] < damage[0]
    assert fingerprint(model) == before


def test_layers_that_go_leave_the_residual_stream_alone() -> None:
    for family in FAMILIES:
        model = tiny_model(family)
        groups = find_groups(model)
        change = as_change(model, groups, find_units(model, groups, False), UnitRemoval(Removal(layers=(1,))))
        check_passed_over(model, groups, change)
    model = tiny_model("opt", do_layer_norm_before=False)
    groups = find_groups(model)
    change = as_change(model, groups, find_units(model, groups, False), UnitRemoval(Removal(layers=(1,))))
    with pytest.raises(PruningError, match="cannot do without whole layers"):
        check_passed_over(model, groups, change)
