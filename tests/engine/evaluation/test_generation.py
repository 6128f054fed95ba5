"""Answers: the same as transformers' own greedy ones, split into pieces that add up, and their drift."""

import pytest
import torch

from pruning.engine.architecture.forward import head_of
from pruning.engine.evaluation import generation as answers
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, POSITIONS, tiny_model, tiny_tokenizer

PROMPT = [5, 17, 42, 99, 7]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_the_greedy_one(family):
    model = tiny_model(family)
    asked = torch.tensor([PROMPT])
    expected = model.generate(
        asked, attention_mask=torch.ones_like(asked), max_new_tokens=12, do_sample=False, pad_token_id=0
    )
    stop = answers.ends(model, tiny_tokenizer())
    assert stop == {2}
    assert answers.answer(model, PROMPT, 12, stop) == expected[0, len(PROMPT) :].tolist()


def test_an_answer_ends_with_the_first_stop_token_and_tells_how_far_it_is(llama):
    whole = answers.answer(llama, PROMPT, 12, set())
    stop = whole[4]
    heard = []
    short = answers.answer(llama, PROMPT, 12, {stop}, heard.append)
    assert short == whole[: whole.index(stop) + 1]
    assert heard == list(range(1, len(short) + 1))


def test_the_states_of_an_answer_predict_it(llama):
    said = answers.answer(llama, PROMPT, 8, set())
    states = answers.answer_states(llama, PROMPT, said)
    assert head_of(llama)(states).argmax(-1).tolist() == said


def test_drift_is_the_kl_of_the_logits_at_each_token(llama):
    other = tiny_model("llama", seed=1)
    said = answers.answer(llama, PROMPT, 8, set())
    head = head_of(llama)
    found = answers.drift(
        head, answers.answer_states(llama, PROMPT, said), answers.answer_states(other, PROMPT, said)
    )
    rows = slice(len(PROMPT) - 1, -1)
    p = llama(torch.tensor([PROMPT + said])).logits[0, rows].double().softmax(-1)
    hidden = other.model(torch.tensor([PROMPT + said])).last_hidden_state
    q = llama.lm_head(hidden)[0, rows].double().softmax(-1)
    assert found == pytest.approx((p * (p / q).log()).sum(-1).tolist(), rel=1e-4)
    assert min(found) > 0.01
    same = answers.answer_states(llama, PROMPT, said)
    assert answers.drift(head, same, same) == [0.0] * 8


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [([1, 2, 3], [1, 2, 3], None), ([1, 2, 3], [1, 9, 3], 1), ([1, 2], [1, 2, 3], 2), ([4], [5], 0)],
)
def test_first_difference(one, other, place):
    assert answers.first_difference(one, other) == place
    assert answers.first_difference(other, one) == place


@pytest.mark.parametrize("text", ["The river, and then?", " naïve 🙂🙂 café\n\n done", "𝔘"])
def test_pieces_add_up_to_the_text(text):
    tokenizer = tiny_tokenizer()
    tokens = tokenizer(text)["input_ids"]
    found = answers.pieces(tokenizer, [*tokens, tokenizer.eos_token_id])
    assert "".join(found) == text
    assert len(found) == len(tokens) + 1
    assert found[-1] == "", "the end of the answer is no text"
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(found)


def test_half_a_character_at_the_end_is_shown_as_such():
    tokenizer = tiny_tokenizer()
    tokens = tokenizer("ok 🙂")["input_ids"][:-1]
    assert "".join(answers.pieces(tokenizer, tokens)) == tokenizer.decode(tokens)


def test_the_prompt_goes_through_a_chat_template_where_there_is_one():
    tokenizer = tiny_tokenizer()
    assert answers.prompt_tokens(tokenizer, "a river") == tokenizer("a river")["input_ids"]
    tokenizer.chat_template = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    found = answers.prompt_tokens(tokenizer, "a river")
    assert tokenizer.decode(found) == "<s>user: a river</s>"


def test_a_prompt_that_is_too_long_is_refused(llama):
    answers.check_length(llama, PROMPT, POSITIONS - len(PROMPT))
    with pytest.raises(PruningError, match=f"longer than the {POSITIONS} this model reads"):
        answers.check_length(llama, PROMPT, POSITIONS)
