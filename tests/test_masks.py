"""Masks: the right number of weights, the right ones, and dense again afterwards."""

import pytest
import torch

from pruning.criteria import CRITERIA, criterion
from pruning.errors import PruningError
from pruning.groups import find_groups
from pruning.masks import group_weight, masked, plan_masks, removed
from pruning.statistics import GroupStatistics, Statistics
from tests.tiny import FAMILIES, tiny_model


def _statistics(out: int, inner: int) -> GroupStatistics:
    generator = torch.Generator().manual_seed(1)
    a, g = torch.rand(inner, generator=generator), torch.rand(out, generator=generator)
    x, y = torch.zeros(1, inner), torch.zeros(1, out)
    return GroupStatistics(a, g, torch.diag(a), g, x, y, torch.ones(1), x, y, torch.tensor(1))


def _all_statistics(model: torch.nn.Module) -> Statistics:
    groups = find_groups(model)
    known = {(g.layer, g.kind): _statistics(*group_weight(model, g).shape) for g in groups}
    return Statistics("model", "data", 0, known)


# One row a criterion: what it must prefer to keep in a matrix where only that differs.
MATRIX = {
    "magnitude": lambda w, a, g: w.abs(),
    "wanda": lambda w, a, g: w.abs() * a.sqrt(),
    "fisher": lambda w, a, g: w**2 * a * g[:, None],
}


def test_matrix_covers_every_criterion() -> None:
    assert set(MATRIX) == set(CRITERIA)


@pytest.mark.parametrize("name", sorted(CRITERIA))
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 0.95])
def test_the_lowest_scores_go(name: str, level: float) -> None:
    chosen = criterion(name)
    weight = torch.randn(12, 20, generator=torch.Generator().manual_seed(2))
    known = _statistics(12, 20)
    scores = chosen.score(weight, known.score_inputs, known.score_outputs)
    expected = MATRIX[name](weight, known.score_inputs, known.score_outputs)
    torch.testing.assert_close(scores, expected)
    mask = removed(scores, level, chosen.scope)
    rows = [(scores, mask)] if chosen.scope == "layer" else list(zip(scores, mask, strict=True))
    for values, gone in rows:
        assert int(gone.sum()) == round(level * values.numel())
        if gone.any() and not gone.all():
            assert values[gone].max() <= values[~gone].min()


@pytest.mark.parametrize("scope", ["layer", "row"])
def test_ties_do_not_take_more_than_the_level(scope: str) -> None:
    assert int(removed(torch.zeros(4, 10), 0.3, scope).sum()) == 12


@pytest.mark.parametrize("family", FAMILIES)
def test_masked_is_undone_bit_for_bit(family: str) -> None:
    model = tiny_model(family).requires_grad_(False)
    groups, before = find_groups(model), {k: v.clone() for k, v in model.state_dict().items()}
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    masks = plan_masks(model, groups, criterion("fisher"), plan, _all_statistics(model))
    with masked(model, groups, masks):
        for group in groups:
            weight, mask = group_weight(model, group), masks[group.layer, group.kind]
            assert int(mask.sum()) == round(0.5 * mask.numel())
            assert not weight[mask].any()
            assert weight[~mask].all()
    assert _same(model, before)
    with pytest.raises(RuntimeError, match="stop"):
        _break_while_masked(model, groups, masks)
    assert _same(model, before)


def _same(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    after = model.state_dict()
    return all(torch.equal(value, after[name]) for name, value in before.items())


def _break_while_masked(model: torch.nn.Module, groups: list, masks: dict) -> None:
    with masked(model, groups, masks):
        raise RuntimeError("stop")


def test_unknown_criterion_and_missing_statistics_are_explained() -> None:
    with pytest.raises(PruningError, match="magnitude, wanda, fisher"):
        criterion("luck")
    model = tiny_model("llama")
    with pytest.raises(PruningError, match="needs statistics"):
        plan_masks(model, find_groups(model), criterion("wanda"), {(0, "up"): 0.5}, None)
