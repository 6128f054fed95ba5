"""Criteria: scores worked out by hand, inputs that are missing, and names."""

import pytest
import torch

from pruning.engine.criteria import CRITERIA, LEARNT, GroupInputs, criterion
from pruning.engine.criteria.movement import Movement, add_step
from pruning.engine.criteria.random import Random
from pruning.errors import PruningError

# One row a criterion, worked out by hand from WEIGHT and INPUTS.
WEIGHT = torch.tensor([[2.0, -1.0], [0.5, -3.0]])
INPUTS = GroupInputs(
    inputs=torch.tensor([4.0, 9.0]),
    outputs=torch.tensor([1.0, 0.25]),
    products=torch.diag(torch.tensor([4.0, 9.0])),
    gradients=torch.tensor([[0.5, 2.0], [1.0, 0.0]]),
)
BY_HAND = {
    "magnitude": [[2.0, 1.0], [0.5, 3.0]],
    "l2": [[2.0, 1.0], [0.5, 3.0]],
    "wanda": [[4.0, 3.0], [1.0, 9.0]],
    "fisher": [[16.0, 9.0], [0.25, 20.25]],
    # With the usual damping, 1 % of the mean diagonal, H is diag(4.065, 9.065).
    "sparsegpt": [[16.26, 9.065], [1.01625, 81.585]],
    "corrected": [[16.26, 9.065], [1.01625, 81.585]],
    "gradient": [[0.5, 2.0], [1.0, 0.0]],
    "taylor": [[1.0, 2.0], [0.5, 0.0]],
    "snip": [[1.0, 2.0], [0.5, 0.0]],
}
DRAWN = {"random"}


def test_every_criterion_has_a_row() -> None:
    assert set(BY_HAND) | DRAWN == set(CRITERIA)


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_are_as_worked_out_by_hand(name: str) -> None:
    torch.testing.assert_close(criterion(name).score(WEIGHT, INPUTS), torch.tensor(BY_HAND[name]))


def test_random_is_the_same_for_a_group_and_another_for_the_next() -> None:
    weight = torch.zeros(30, 40)
    first, again, other = (criterion("random").score(weight, GroupInputs(place=place)) for place in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, Random(seed=1).score(weight, GroupInputs(place=3)))
    assert float(first.min()) >= 0
    assert abs(float(first.mean()) - 0.5) < 0.05


def test_movement_sums_what_training_did_and_says_what_is_missing() -> None:
    weight, gradient = torch.tensor([[1.0, -2.0]]), torch.tensor([[-0.5, 0.25]])
    record = add_step(add_step(torch.zeros(1, 2), weight, gradient), weight, gradient)
    # A descent step makes 1 larger, and -2 larger in size as well: both move away from zero.
    assert Movement().score(weight, GroupInputs(movement=record)).tolist() == [[1.0, 1.0]]
    with pytest.raises(PruningError, match="removes weights on its way"):
        Movement().score(weight, GroupInputs())


@pytest.mark.parametrize("name", [*CRITERIA, *LEARNT])
def test_a_criterion_looks_at_what_it_needs_and_names_what_is_missing(name: str) -> None:
    chosen = criterion(name)
    everything = {
        "inputs": torch.ones(2),
        "outputs": torch.ones(2),
        "products": torch.eye(2),
        "gradients": torch.ones(2, 2),
        "movement": torch.ones(2, 2),
    }
    enough = GroupInputs(**{field: everything[field] for field in chosen.needs})
    assert chosen.score(WEIGHT, enough).shape == WEIGHT.shape
    for missing in chosen.needs:
        rest = GroupInputs(**{field: everything[field] for field in chosen.needs if field != missing})
        with pytest.raises(PruningError, match="This criterion needs "):
            chosen.score(WEIGHT, rest)


@pytest.mark.parametrize("name", [*CRITERIA, *LEARNT])
def test_a_criterion_is_found_by_its_name(name: str) -> None:
    assert criterion(name).name == name


def test_the_literatures_name_is_an_alias_that_is_stored_under_ours() -> None:
    assert criterion("sparsegpt-ec") == criterion("corrected")
    assert criterion("sparsegpt-ec").name == "corrected"
    assert "sparsegpt-ec" not in CRITERIA


def test_an_unknown_criterion_is_explained() -> None:
    with pytest.raises(PruningError, match="fisher, sparsegpt, corrected"):
        criterion("luck")
