"""The sweep gives what a whole pass gives, for every family, and leaves the model as it was."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.criteria import criterion
from pruning.engine.evaluation.metrics import compare
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.sensitivity.sweep import SCORE_EVERY, Point, sweep
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (3, 24), generator=torch.Generator().manual_seed(0))


def _pruned(model: Any) -> Callable[[Point], AbstractContextManager[None]]:
    groups, chosen = find_groups(model), criterion("magnitude")

    def pruned(point: Point) -> AbstractContextManager[None]:
        plan = {(point.layer, point.kind): point.level}
        return applied_change(
            model, groups, WeightChange(plan_masks(model, groups, chosen, plan, criterion_inputs()))
        )

    return pruned


@pytest.mark.parametrize("family", FAMILIES)
def test_points_equal_whole_passes(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    points = [Point(group.layer, group.kind, 0.5) for group in groups]
    found = {p: q.kl for p, q in sweep(model, groups, _pruned(model), WINDOWS, points)}
    head, dense = head_of(model), run(model, WINDOWS)
    for group in groups:
        with _pruned(model)(Point(group.layer, group.kind, 0.5)):
            pruned = run(model, WINDOWS)
        whole = compare(head, dense, pruned, WINDOWS, SCORE_EVERY).kl
        assert found[Point(group.layer, group.kind, 0.5)] == pytest.approx(whole, rel=1e-3, abs=1e-6)
    assert any(kl > 1e-4 for kl in found.values())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any("forward" in vars(module) for module in model.modules())


def test_stopping_early_restores_the_model() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    points = [Point(1, "up", level) for level in (0.3, 0.6, 0.9)]
    running = sweep(model, find_groups(model), _pruned(model), WINDOWS, points)
    next(running)
    running.close()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_unknown_group_is_named() -> None:
    model = tiny_model("gpt2").eval()
    with pytest.raises(PruningError, match="Layer 0 has no group gate"):
        next(sweep(model, find_groups(model), _pruned(model), WINDOWS, [Point(0, "gate", 0.5)]))
