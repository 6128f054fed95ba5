"""A model that somebody pruned before: it is said, and its zeros stay whatever is done to it here."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.groups import find_groups, group_weight, weight_view
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.masks import zeros_of
from pruning.engine.models.load import load
from pruning.tasks import TASKS, Session
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.recovered import applied_spec
from pruning.workspace.store import Store
from tests.support.tiny import tiny_model, tiny_tokenizer

SHARE = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama two fifths of whose weights are zero, the smallest of each matrix."""
    path, model = tmp_path_factory.mktemp("sparse") / "llama", tiny_model()
    with torch.no_grad():
        for group in find_groups(model):
            for part in group.parts:
                weight = weight_view(model, part)
                weight[weight.abs() < weight.abs().flatten().quantile(SHARE)] = 0
    model.save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def sparse(folder: Path, store: Store, text: str) -> Session:
    return Session(load(str(folder)), store, text)


def zeros(session: Session) -> dict[Any, torch.Tensor]:
    return {group.key: group_weight(session.model, group) == 0 for group in session.groups}


def test_it_is_said_that_it_was_pruned(sparse: Session, session: Session) -> None:
    found = TASKS["inspect"](sparse)["pruned_before"]
    assert found[0] == "40 % of the weights in qkv are zero."
    assert len(found) == 5
    assert TASKS["inspect"](session)["pruned_before"] == []


@pytest.mark.parametrize("level", [0.2, 0.6])
@pytest.mark.parametrize("criterion", ["sparsegpt", "corrected", "wanda", "magnitude", "random"])
def test_zeros_stay_when_weights_are_pruned(sparse: Session, criterion: str, level: float) -> None:
    before = zeros(sparse)
    with applied(sparse, spec_of(sparse, [f"all={level}"], criterion, {})):
        after = zeros(sparse)
    for key, held in before.items():
        assert bool((after[key] | ~held).all())
        if criterion != "random":
            # What was zero counts in the level: no more is pruned than was asked for.
            assert float(after[key].double().mean()) == pytest.approx(max(level, SHARE), abs=0.02)
    assert all(torch.equal(held, zeros(sparse)[key]) for key, held in before.items())


@pytest.mark.parametrize(
    ("settings", "criterion", "options"),
    [
        (["neurons=0.25"], "fisher", {}),
        (["heads=0.5"], "fisher", {}),
        (["neurons=0.25", "heads@1=0.5", "down=0.5", "qkv=0.5"], "corrected", {}),
        (["layers@1=1", "neurons=0.25", "up=0.2"], "sparsegpt", {}),
        (["all=0.5"], "sparsegpt", {"structure": "n:m", "pattern": "2:4"}),
    ],
)
def test_zeros_stay_when_units_go_and_the_rest_is_refitted(
    sparse: Session, settings: list[str], criterion: str, options: dict[str, str]
) -> None:
    before = zeros(sparse)
    with applied(sparse, spec_of(sparse, settings, criterion, options)):
        after = zeros(sparse)
    assert all(bool((after[key] | ~held).all()) for key, held in before.items())


@pytest.mark.parametrize("lora", [0, 2])
def test_zeros_stay_when_it_is_trained(sparse: Session, lora: int) -> None:
    recovery = {"steps": 3, "batch": 1, "written": 0, "lora": lora}
    TASKS["recover"](sparse, settings=["up=0.5"], criterion="magnitude", recovery=recovery)
    with applied_spec(sparse, spec_of(sparse, ["up=0.5"], "magnitude", {}), recovery):
        after = zeros(sparse)
    assert all(bool((after[key] | ~held).all()) for key, held in zeros(sparse).items())


def test_a_dense_model_has_zeros_by_chance_only() -> None:
    weight = torch.ones(20, 20)
    weight[0, 0] = 0
    assert zeros_of(weight) is None
    weight[:2] = 0
    held = zeros_of(weight)
    assert held is not None
    assert int(held.sum()) == 40


def test_what_is_held_is_pruned_first_and_compensated_for() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(6, 16), torch.randn(200, 16)
    held = torch.rand(6, 16) < 0.3
    hessian = x.T @ x
    new, mask = obs_prune(weight, hessian, lambda scores: torch.zeros_like(scores) > 0, held=held)
    assert torch.equal(mask, held)
    assert bool((new[held] == 0).all())
    plain = weight.masked_fill(held, 0)
    assert float((x @ (new - weight).T).square().sum()) < float((x @ (plain - weight).T).square().sum())
