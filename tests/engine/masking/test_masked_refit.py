"""Weights refitted under a mask: nearer to the dense model for every family, and dense again after."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.criteria import criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masked_refit import refit_masked
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models.load import fingerprint
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (64, 32), generator=torch.Generator().manual_seed(0))
UNSEEN = torch.randint(3, VOCABULARY, (16, 32), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_comes_nearer_to_the_dense_one(family: str) -> None:
    model: Any = tiny_model(family).eval().requires_grad_(False)
    groups, name = find_groups(model), fingerprint(model)
    plan = {(group.layer, group.kind): 0.5 for group in groups if group.kind != "up"}
    removed = plan_masks(model, groups, criterion("magnitude"), plan, criterion_inputs())
    weights = refit_masked(model, groups, removed, WINDOWS)
    assert fingerprint(model) == name
    assert not any(module._forward_hooks for module in model.modules())
    assert weights.keys() == removed.keys()
    assert not any(bool(weights[key][gone].any()) for key, gone in removed.items())
    dense, errors = run(model, UNSEEN), []
    for change in (WeightChange(removed), WeightChange(removed, weights)):
        with applied_change(model, groups, change):
            errors.append(float((run(model, UNSEEN) - dense).square().mean()))
    assert errors[1] < 0.8 * errors[0]
