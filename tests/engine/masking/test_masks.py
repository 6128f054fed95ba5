"""Masks: the right number of weights, the right ones, and dense again afterwards."""

import pytest
import torch

from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.calibration.fisher import FisherFactors, Statistics, StatisticsIdentity
from pruning.engine.criteria import CRITERIA, GroupInputs, criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import (
    criterion_inputs,
    pattern_mask,
    plan_masks,
    pooled,
    removed,
)
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions, effective
from tests.support.tiny import FAMILIES, tiny_model


def _statistics(out: int, inner: int) -> FisherFactors:
    generator = torch.Generator().manual_seed(1)
    a, g = torch.rand(inner, generator=generator), torch.rand(out, generator=generator)
    x, y = torch.zeros(1, inner), torch.zeros(1, out)
    return FisherFactors(a, g, torch.diag(a), g, x, y, torch.ones(1), x, y, torch.tensor(1), torch.tensor(1))


def _all_statistics(model: torch.nn.Module) -> Statistics:
    groups = find_groups(model)
    factors = {g.key: _statistics(*group_weight(model, g).shape) for g in groups}
    return Statistics(StatisticsIdentity("model", "data"), 0, factors)


def test_l2_differs_from_magnitude_for_blocks_alone() -> None:
    # Two blocks of two: 3 and 0, or 2 and 2. Their means are 1.5 and 2, their lengths 3 and 2.83.
    weight = torch.tensor([[3.0, 0.0, 2.0, -2.0]])
    masks = {}
    for name in ("magnitude", "l2"):
        chosen = criterion(name)
        masks[name] = removed(chosen.score(weight, GroupInputs()), 0.5, "group", (1, 2), chosen.norm)
    assert masks["magnitude"].tolist() == [[True, True, False, False]]
    assert masks["l2"].tolist() == [[False, False, True, True]]


def test_snip_has_one_threshold_and_no_group_dies() -> None:
    model = tiny_model("llama").requires_grad_(False)
    groups = find_groups(model)
    plan = {group.key: 0.95 for group in groups}
    gradients = {g.key: torch.rand(group_weight(model, g).shape) * 10.0**-g.layer for g in groups}
    pruned = plan_masks(model, groups, criterion("snip"), plan, criterion_inputs(gradients=gradients))
    shares = {key: int(mask.sum()) / mask.numel() for key, mask in pruned.items()}
    total = sum(int(mask.sum()) for mask in pruned.values()) / sum(mask.numel() for mask in pruned.values())
    assert total == pytest.approx(0.95, abs=1e-4)
    assert max(shares.values()) == pytest.approx(0.99, abs=1e-3)
    assert min(shares.values()) < 0.94


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"snip"}))
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 0.95])
def test_the_lowest_scores_go(name: str, level: float) -> None:
    chosen = criterion(name)
    weight = torch.randn(12, 20, generator=torch.Generator().manual_seed(2))
    factors = _statistics(12, 20)
    gradients = torch.rand(12, 20, generator=torch.Generator().manual_seed(5))
    inputs = GroupInputs(factors.score_inputs, factors.score_outputs, factors.input_covariance, gradients)
    scores = chosen.score(weight, inputs)
    mask = removed(scores, level, chosen.scope)
    rows = [(scores, mask)] if chosen.scope == "group" else list(zip(scores, mask, strict=True))
    for values, pruned in rows:
        assert int(pruned.sum()) == round(level * values.numel())
        if pruned.any() and not pruned.all():
            assert values[pruned].max() <= values[~pruned].min()


@pytest.mark.parametrize("scope", ["group", "row"])
def test_ties_do_not_take_more_than_the_level(scope: str) -> None:
    assert int(removed(torch.zeros(4, 10), 0.3, scope).sum()) == 12


@pytest.mark.parametrize("family", FAMILIES)
def test_a_change_is_undone_bit_for_bit(family: str) -> None:
    model = tiny_model(family).requires_grad_(False)
    groups, before = find_groups(model), {k: v.clone() for k, v in model.state_dict().items()}
    plan = {group.key: 0.5 for group in groups}
    masks = plan_masks(model, groups, criterion("fisher"), plan, criterion_inputs(_all_statistics(model)))
    with applied_change(model, groups, WeightChange(masks)):
        for group in groups:
            weight, mask = group_weight(model, group), masks[group.key]
            assert int(mask.sum()) == round(0.5 * mask.numel())
            assert not weight[mask].any()
            assert weight[~mask].all()
    assert _same(model, before)
    with pytest.raises(RuntimeError, match="stop"):
        _break_while_changed(model, groups, masks)
    assert _same(model, before)


def _same(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    after = model.state_dict()
    return all(torch.equal(value, after[name]) for name, value in before.items())


def _break_while_changed(model: torch.nn.Module, groups: list, masks: dict) -> None:
    with applied_change(model, groups, WeightChange(masks)):
        raise RuntimeError("stop")


def test_missing_statistics_are_explained() -> None:
    model = tiny_model("llama")
    with pytest.raises(PruningError, match="needs statistics"):
        plan_masks(model, find_groups(model), criterion("wanda"), {(0, "up"): 0.5}, criterion_inputs())


# ---- options of the mask ------------------------------------------------------------------------------


def _two_groups() -> dict[tuple[int, str], torch.Tensor]:
    """Scores of two groups in two layers: all of the second are higher than all of the first."""
    first = torch.arange(1.0, 21.0).reshape(4, 5)
    return {(0, "up"): first, (1, "up"): first + 100}


def test_one_threshold_for_several_groups_takes_what_they_ask_for_together() -> None:
    scores = _two_groups()
    plan = dict.fromkeys(scores, 0.25)
    pruned = pooled(scores, plan, (1, 1), 1, 0.0, 1.0)
    assert [int(mask.sum()) for mask in pruned.values()] == [10, 0]
    assert torch.equal(pruned[0, "up"], scores[0, "up"] <= 10)


def test_floor_and_ceiling_hold_for_every_group_and_the_total_stays() -> None:
    scores = _two_groups()
    pruned = pooled(scores, dict.fromkeys(scores, 0.5), (1, 1), 1, 0.1, 0.6)
    assert [int(mask.sum()) for mask in pruned.values()] == [12, 8]
    pruned = pooled(scores, dict.fromkeys(scores, 0.3), (1, 1), 1, 0.2, 0.6)
    assert [int(mask.sum()) for mask in pruned.values()] == [8, 4]
    with pytest.raises(PruningError, match=r"floor 0.1 and ceiling 0.6"):
        pooled(scores, dict.fromkeys(scores, 0.7), (1, 1), 1, 0.1, 0.6)


@pytest.mark.parametrize(("scope", "expected"), [("row", 5), ("group", 5), ("layer", 5), ("model", 10)])
def test_scope_says_what_is_compared(scope: str, expected: int) -> None:
    model = tiny_model("llama")
    groups = [group for group in find_groups(model) if group.kind == "up" and group.layer < 2]
    with torch.no_grad():
        for group, factor in zip(groups, (1.0, 100.0), strict=True):
            model.get_submodule(group.parts[0].module).weight.mul_(factor)
    plan = {(group.layer, "up"): 0.25 for group in groups}
    pruned = plan_masks(
        model, groups, criterion("magnitude"), plan, criterion_inputs(), MaskOptions(scope=scope)
    )
    share = {key: int(mask.sum()) / mask.numel() for key, mask in pruned.items()}
    assert share[0, "up"] == pytest.approx(expected / 20, abs=0.01)
    if scope == "row":
        assert {int(row.sum()) for row in pruned[0, "up"]} == {8}


@pytest.mark.parametrize("columns", [64, 30, 7])
@pytest.mark.parametrize(("kept", "of"), [(2, 4), (4, 8), (1, 4), (3, 5)])
def test_n_of_every_m_inputs_stay_everywhere(columns: int, kept: int, of: int) -> None:
    scores = torch.rand(6, columns, generator=torch.Generator().manual_seed(3))
    mask = pattern_mask(scores, kept, of)
    for start in range(0, columns, of):
        part, part_scores = mask[:, start : start + of], scores[:, start : start + of]
        assert ((~part).sum(1) == min(kept, part.shape[1])).all()
        for pruned, values in zip(part, part_scores, strict=True):
            if pruned.any():
                assert values[pruned].max() < values[~pruned].min()


def test_a_two_by_two_block_by_hand() -> None:
    scores = torch.tensor([[1.0, 1.0, 0.0, 4.0, 9.0], [1.0, 1.0, 0.0, 4.0, 9.0], [8.0, 0.0, 7.0, 7.0, 1.0]])
    # Means: 1, 2, 9 above; 4, 7, 1 in the row of half blocks below.
    mask = removed(scores, 0.4, "group", (2, 2))
    assert mask.int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    mask = removed(scores, 9 / 15, "group", (2, 2))
    assert mask.int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 1]]


@pytest.mark.parametrize("block", [(16, 16), (1, 64), (5, 7), (100, 100)])
@pytest.mark.parametrize("scope", ["row", "group"])
def test_blocks_go_whole_and_come_near_the_level(block: tuple[int, int], scope: str) -> None:
    scores = torch.rand(40, 100, generator=torch.Generator().manual_seed(4))
    mask = removed(scores, 0.5, scope, block)
    for top in range(0, 40, block[0]):
        for left in range(0, 100, block[1]):
            part = mask[top : top + block[0], left : left + block[1]]
            assert part.all() or not part.any()
    compared = [mask] if scope == "group" else list(mask.split(block[0]))
    for rows in compared:
        biggest = min(block[0], len(rows)) * min(block[1], 100)
        assert abs(int(rows.sum()) - 0.5 * rows.numel()) <= biggest / 2


def test_protected_layers_bounds_and_patterns_shape_the_plan() -> None:
    groups = [(layer, "up") for layer in range(4)]
    plan = {(0, "up"): 0.5, (1, "up"): 0.9, (3, "up"): 0.1}
    bounded = effective(plan, groups, MaskOptions(protect="0", floor=0.2, ceiling=0.8))
    assert bounded == {(1, "up"): 0.8, (3, "up"): 0.2}
    assert effective(plan, groups, MaskOptions()) == plan
    half = MaskOptions(structure="n:m", pattern="2:4")
    assert effective({(0, "up"): 0.5}, groups, half) == {(0, "up"): 0.5}
    with pytest.raises(PruningError, match=r"2:4 removes 0.5 .* asks for 0.9 of up in layer 1"):
        effective({(1, "up"): 0.9}, groups, half)
    with pytest.raises(PruningError, match="no layer 9"):
        effective(plan, groups, MaskOptions(protect="9"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"structure": "holes"}, "no structure"),
        ({"structure": "n:m"}, "needs a pattern"),
        ({"structure": "block"}, "needs a block"),
        ({"pattern": "2:4"}, "goes with the structure n:m"),
        ({"structure": "n:m", "pattern": "4:2"}, "cannot be read"),
        ({"structure": "n:m", "pattern": "2:4", "scope": "row"}, "has no scope"),
        ({"structure": "block", "block": "16"}, "cannot be read"),
        ({"structure": "block", "block": "0x4"}, "cannot be read"),
        ({"scope": "world"}, "no scope"),
        ({"floor": 0.6, "ceiling": 0.5}, "no bounds"),
        ({"ceiling": 1.5}, "no bounds"),
        ({"protect": "a-b"}, "not a list of layers"),
        ({"colour": "red"}, "no option"),
    ],
)
def test_options_that_cannot_be_are_explained(wrong: dict, words: str) -> None:
    with pytest.raises(PruningError, match=words):
        MaskOptions.of(wrong)
