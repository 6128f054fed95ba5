"""Answers of dense and pruned models: where they part, and what is not asked again."""

import json
from typing import Any

import pytest
import torch

from pruning.engine.criteria import criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import Cancelled, PruningError
from pruning.planning.recipe.plan import parse_settings
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")


def test_generate_says_where_answers_part_and_how_far_each_token_drifts(session: Session) -> None:
    asked: dict[str, Any] = {
        "prompts": ["The river", "Boats"],
        "plans": [["all=0.9"], []],
        "criterion": "magnitude",
        "max_new_tokens": 6,
    }
    streamed: list[dict[str, Any]] = []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        assert 0 <= done <= total
        if partial:
            streamed.append(partial["answer"])

    rows = TASKS["generate"](session.reporting(listen), **asked)["answers"]
    assert [(row["prompt"], row["settings"]) for row in rows] == [
        (prompt, plan) for prompt in asked["prompts"] for plan in (["all=0.9"], [])
    ]
    assert sorted(map(json.dumps, streamed)) == sorted(map(json.dumps, rows))
    hurt, same = rows[0], rows[1]
    place = hurt["first_difference"]
    assert hurt["dense_tokens"][:place] == hurt["pruned_tokens"][:place]
    assert hurt["dense"] != hurt["pruned"]
    assert hurt["dense"] == "".join(hurt["dense_tokens"]).strip() == same["dense"]
    assert len(hurt["kl"]) == len(hurt["dense_tokens"]) <= 6
    assert sum(hurt["kl"]) > 0.1
    assert same["first_difference"] is None
    assert same["pruned"] == same["dense"]
    assert max(same["kl"]) == pytest.approx(0, abs=1e-6)


def test_the_drift_is_that_of_the_pruned_model_reading_the_dense_answer(
    session: Session, loaded: Loaded
) -> None:
    plan, prompt = ["all=0.6"], "The river had"
    asked = {"prompts": [prompt], "plans": [plan], "criterion": "magnitude", "max_new_tokens": 5}
    row = TASKS["generate"](session, **asked)["answers"][0]
    ids = loaded.tokenizer(prompt)["input_ids"]
    said = loaded.model.generate(torch.tensor([ids]), max_new_tokens=5, do_sample=False, pad_token_id=0)
    before = loaded.model(said).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
    levels = parse_settings(plan, session.plan_groups())
    masks = plan_masks(loaded.model, loaded.groups, criterion("magnitude"), levels, criterion_inputs())
    with applied_change(loaded.model, loaded.groups, WeightChange(masks)):
        after = loaded.model(said).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
    expected = (before.exp() * (before - after)).sum(-1).tolist()
    assert row["kl"] == pytest.approx(expected, rel=1e-3)


def test_generate_keeps_what_it_has_and_asks_only_for_the_rest(
    session: Session, loaded: Loaded, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"prompts": ["The river"], "criterion": "magnitude", "max_new_tokens": 4}
    count = 0

    def stop_in_the_second_plan(
        done: float, total: float, note: str = "", partial: dict[str, Any] | None = None
    ) -> None:
        nonlocal count
        count += partial is not None
        if count == 1 and note.startswith("all=0.6") and not partial:
            raise Cancelled

    plans = [["all=0.9"], ["all=0.6"]]
    with pytest.raises(Cancelled):
        TASKS["generate"](session.reporting(stop_in_the_second_plan), plans=plans, **asked)
    assert fingerprint(loaded.model) == loaded.fingerprint
    kept = store.find("answer", fingerprint=loaded.fingerprint)
    assert [row["value"]["settings"] for row in kept] == [["all=0.9"]]
    rows = TASKS["generate"](session, plans=plans, **asked)["answers"]
    assert rows[0] == kept[0]["value"]
    assert rows[1]["settings"] == ["all=0.6"]

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr("pruning.engine.evaluation.generation.generate_greedy", forbidden)
    # Another spelling of the same plans.
    again = [["all=0.5", "all=0.9"], ["qkv=0.1", "all=0.6"]]
    assert TASKS["generate"](session, plans=again, **asked)["answers"] == rows


def test_generate_refuses_what_cannot_be_answered(session: Session) -> None:
    for wrong, words in (
        ({"prompts": [" "], "plans": [[]]}, "prompt is empty"),
        ({"prompts": [], "plans": [[]]}, "prompt is empty"),
        ({"prompts": ["a"], "plans": [["up=1.2"]]}, "1.2 is outside"),
        ({"prompts": ["a"], "plans": [[]], "max_new_tokens": 0}, "Ask for 1 or more"),
        ({"prompts": ["a"], "plans": [[]], "max_new_tokens": 1000}, "Shorten the prompt"),
    ):
        with pytest.raises(PruningError, match=words):
            TASKS["generate"](session, criterion="magnitude", **wrong)
