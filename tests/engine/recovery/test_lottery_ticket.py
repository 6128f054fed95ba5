"""Lottery tickets: the right weights are pruned, the rest rewound, and a ticket beats chance."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.calibration.data import Windows
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.load import fingerprint
from pruning.engine.recovery.lottery_ticket import Draw, LotterySpec, by_chance, lottery, smallest
from pruning.engine.recovery.student import Student
from pruning.planning.recipe.training import Training
from tests.support.tiny import tiny_model

TOKENS, FIRST = 48, 3


def chains(count: int, seed: int) -> torch.Tensor:
    """Token windows in which each token is followed by one of its own, three times in ten by any."""
    generator = torch.Generator().manual_seed(seed)
    follows = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(1))
    rows = torch.randint(TOKENS, (count, 17), generator=generator)
    for place in range(1, 17):
        follow = torch.rand(count, generator=generator) < 0.7
        rows[:, place] = torch.where(follow, follows[rows[:, place - 1]], rows[:, place])
    return rows + FIRST


def play(model: Any, level: float = 0.9, **settings: Any) -> dict[str, Draw]:
    groups = find_groups(model)
    plan = {(group.layer, group.kind): level for group in groups}
    rounds, rewind = settings.pop("rounds", 3), settings.pop("rewind", 0)
    training = Training(
        **{"steps": 60, "loss": "task", "batch": 32, "learning_rate": 1e-2, "warmup": 5, **settings}
    )
    windows = Windows("chains", chains(256, 2), chains(32, 3))
    return lottery(model, groups, windows, LotterySpec(plan, training, rounds, rewind))


def test_a_ticket_beats_the_random_ticket() -> None:
    model = tiny_model("llama", num_hidden_layers=1)
    name = fingerprint(model)
    draws = play(model)
    assert fingerprint(model) == name
    dense, ticket, chance = (draws[name].quality for name in ("dense", "ticket", "random"))
    # The task can be done: chance would be right once in 48.
    assert dense.accuracy > 0.6
    assert ticket.accuracy > chance.accuracy + 0.2
    assert ticket.cross_entropy < chance.cross_entropy - 0.5
    for key, mask in draws["ticket"].removed.items():
        assert int(mask.sum()) == round(0.9 * mask.numel()) == int(draws["random"].removed[key].sum())
        assert not draws["ticket"].weights[key][mask].any()


@pytest.mark.parametrize("rewind", [0, 2])
def test_what_is_kept_is_rewound_to_the_early_weights(rewind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = tiny_model("llama", num_hidden_layers=1), []
    put = Student.put

    def watch(self: Student, weights: dict) -> None:
        given.append({key: weight.clone() for key, weight in weights.items()})
        put(self, weights)

    monkeypatch.setattr(Student, "put", watch)
    play(model, 0.5, steps=3, rounds=2, rewind=rewind)
    _, first, *later = given  # making the student puts nothing
    initial = Student(model, find_groups(model), WeightChange({})).weights()
    assert len(later) == 3
    for weights in later:
        for key, weight in weights.items():
            assert torch.equal(weight, later[0][key])
            assert torch.equal(weight, initial[key]) == (rewind == 0)
    assert all(torch.equal(weight, initial[key]) for key, weight in first.items())


def test_the_smallest_are_pruned_and_what_was_pruned_stays_so() -> None:
    weights = {(0, "up"): torch.tensor([[4.0, -1.0, 3.0, 2.0], [0.5, 5.0, -6.0, 7.0]])}
    masks = {(0, "up"): torch.tensor([[True, False, False, False], [False] * 4])}
    chosen = smallest(weights, masks, {(0, "up"): 0.5})[0, "up"]
    assert chosen.tolist() == [[True, True, False, True], [True, False, False, False]]
    chance = by_chance({(0, "up"): chosen}, seed=3)[0, "up"]
    assert int(chance.sum()) == 4
    assert torch.equal(chance, by_chance({(0, "up"): chosen}, seed=3)[0, "up"])
    assert not torch.equal(chance, by_chance({(0, "up"): chosen}, seed=4)[0, "up"])
