"""SparseGPT, corrected: nearer to the dense model than SparseGPT for every family, and dense again after."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.sparsegpt import sparsegpt
from pruning.engine.masking.sparsegpt_corrected import sparsegpt_corrected
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

GENERATOR = torch.Generator().manual_seed(0)
WINDOWS = torch.randint(3, VOCABULARY, (64, 32), generator=GENERATOR)
UNSEEN = torch.randint(3, VOCABULARY, (16, 32), generator=GENERATOR)


def _error(model: Any, change: WeightChange) -> float:
    """Mean squared change of the final states on text that was not used."""
    dense = run(model, UNSEEN)
    with applied_change(model, find_groups(model), change):
        return float((run(model, UNSEEN) - dense).square().mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_it_stays_nearer_to_the_dense_model_than_sparsegpt(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = {(group.layer, group.kind): 0.5 for group in groups}
    change = sparsegpt_corrected(model, groups, plan, WINDOWS, DEFAULT)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    for group in groups:
        gone, new = change.removed[group.layer, group.kind], change.weights[group.layer, group.kind]
        assert int(gone.sum()) == round(0.5 * gone.numel())
        assert not new[gone].any()
    plain = sparsegpt(model, groups, plan, WINDOWS, DEFAULT)
    assert _error(model, change) < 0.9 * _error(model, plain)


def test_patterns_and_what_is_not_in_the_plan() -> None:
    model = tiny_model("gpt2").eval().requires_grad_(False)
    options = MaskOptions(structure="n:m", pattern="2:4")
    change = sparsegpt_corrected(
        model, find_groups(model), {(1, "up"): 0.5, (2, "down"): 0.5}, WINDOWS, options
    )
    assert set(change.weights) == {(1, "up"), (2, "down")}
    for weight in change.weights.values():
        assert ((weight == 0).unflatten(1, (-1, 4)).sum(-1) == 2).all()


def test_stopping_half_way_leaves_the_model_dense() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def stop(done: float, *_: Any) -> None:
        if done == 2:
            raise KeyboardInterrupt

    plan = {(layer, "up"): 0.5 for layer in range(3)}
    with pytest.raises(KeyboardInterrupt):
        sparsegpt_corrected(model, find_groups(model), plan, WINDOWS, DEFAULT, stop)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
