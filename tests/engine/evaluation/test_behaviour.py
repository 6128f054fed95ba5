"""Behaviour: answers side by side, what counts as repetition, and the figures beside the dense model's."""

import pytest

from pruning.engine.evaluation import behaviour as module
from pruning.engine.evaluation import generation
from pruning.engine.evaluation.behaviour import DenseAnswers, behaviour, falls_into_repetition
from pruning.errors import Cancelled
from tests.support.tiny import FAMILIES, tiny_model, tiny_tokenizer

PROMPTS = [[5, 17, 42, 99, 7], [8, 3], [250, 11, 64, 90, 31, 77, 12, 9], [4, 5, 6]]
TEXT = list(range(100, 164))


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_side_by_side_are_the_greedy_ones(family):
    model = tiny_model(family)
    alone = [generation.generate_greedy(model, prompt, 20, {2}) for prompt in PROMPTS]
    assert generation.generate_greedy_batch(model, PROMPTS, 20, {2}) == alone


def test_side_by_side_each_answer_ends_with_its_own_stop_token(llama):
    whole = generation.generate_greedy_batch(llama, PROMPTS, 12, set())
    stop = {whole[0][3], whole[1][5]}
    counts = []
    answers = generation.generate_greedy_batch(llama, PROMPTS, 12, stop, counts.append)
    for answer, prompt in zip(answers, PROMPTS, strict=True):
        assert answer == generation.generate_greedy(llama, prompt, 12, stop)
    assert len(answers[0]) <= 4
    assert counts == list(range(1, max(map(len, answers)) + 1))


@pytest.mark.parametrize(
    ("tokens", "repeats"),
    [
        (TEXT, False),
        ([7] * 64, True),
        (TEXT[:24] + [1, 2, 3, 4, 5] * 8, True),
        # A loop that has only begun.
        (TEXT[:56] + [1, 2, 3, 4] * 2, False),
        # A long sentence, said again and again.
        (TEXT[:20] * 3 + TEXT[:4], True),
        # A sentence said twice, then something else.
        (TEXT[:12] * 2 + TEXT[24:], False),
        # A list whose rows differ in a number alone.
        ([token for row in range(6) for token in (row, *range(50, 60))], True),
        # A list whose rows begin alike.
        ([token for row in range(8) for token in (50, 51, *TEXT[6 * row : 6 * row + 6])], False),
        ([], False),
        ([3, 3, 3], False),
        ([9, 8, 7, 6], False),
    ],
)
def test_repetition(tokens, repeats):
    assert falls_into_repetition(tokens) is repeats


def test_figures_by_hand(monkeypatch):
    monkeypatch.setattr(module, "load_prompts", lambda: ("one", "two", "three", "four"))
    loop = [7] * 64
    dense = DenseAnswers(tuple(map(tuple, (TEXT, TEXT, loop, TEXT))), (True, True, False, True, False))
    answers = tuple(map(tuple, (TEXT, TEXT[:3] + loop, loop, [*TEXT[:30], 9])))
    seen = behaviour(dense, answers, (True, False, True, False, False), tiny_tokenizer())
    # The third prompt says nothing: the dense model repeats itself there.
    assert (seen["prompts"], seen["counted"], seen["repeating"], seen["early"]) == (4, 3, 1, 1)
    # The fourth breaks off before its half.
    assert seen["cut_short"] == 1
    assert seen["common_prefix"] == (64 + 3 + 64 + 30) / 4
    assert (seen["questions"], seen["questions_right"]) == (5, 3)
    assert (seen["questions_lost"], seen["questions_won"]) == (2, 1)
    assert seen["example"]["prompt"] == "two", "the answer that repeats"


def test_without_repetition_the_example_is_the_answer_that_parts_first(monkeypatch):
    monkeypatch.setattr(module, "load_prompts", lambda: ("one", "two"))
    dense = DenseAnswers((tuple(TEXT), tuple(TEXT)), (True,))
    seen = behaviour(dense, (tuple(TEXT), (*TEXT[:20], 9)), (True,), tiny_tokenizer())
    assert seen["repeating"] == seen["early"] == 0
    assert seen["example"]["prompt"] == "two"


def test_the_prompts_are_of_many_kinds_and_none_is_there_twice():
    prompts = module.load_prompts()
    assert 12 <= len(set(prompts)) == len(prompts) <= 16


def test_answers_can_be_broken_off_between_tokens(llama):
    def stop(count):
        if count == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        module.answer_prompts(llama, tiny_tokenizer(), stop)


def test_a_model_that_reads_too_little_says_so():
    model = tiny_model("llama", max_position_embeddings=32)
    dense = module.dense_answers(model, tiny_tokenizer(), (True, False), lambda _: None)
    assert dense.answers is None
    seen = behaviour(dense, None, (False, False), tiny_tokenizer())
    assert seen["prompts"] == 0
    assert "longer than the 32 this model reads" in seen["why_not"]
    assert (seen["questions_right"], seen["questions_lost"]) == (1, 1)
