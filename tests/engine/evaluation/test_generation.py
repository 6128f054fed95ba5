"""Generation: the same as transformers' own greedy one, texts that add up, and KL token by token."""

import pytest
import torch

from pruning.engine.architecture.forward import head_of
from pruning.engine.evaluation import generation
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
    stop = generation.end_tokens(model, tiny_tokenizer())
    assert stop == {2}
    assert generation.generate_greedy(model, PROMPT, 12, stop) == expected[0, len(PROMPT) :].tolist()


def test_an_answer_ends_with_the_first_stop_token_and_tells_how_far_it_is(llama):
    whole = generation.generate_greedy(llama, PROMPT, 12, set())
    stop = whole[4]
    counts = []
    short = generation.generate_greedy(llama, PROMPT, 12, {stop}, counts.append)
    assert short == whole[: whole.index(stop) + 1]
    assert counts == list(range(1, len(short) + 1))


def test_the_states_of_an_answer_predict_it(llama):
    tokens = generation.generate_greedy(llama, PROMPT, 8, set())
    states = generation.generation_states(llama, PROMPT, tokens)
    assert head_of(llama)(states).argmax(-1).tolist() == tokens


def test_kl_by_token_is_that_of_the_logits_at_each_token(llama):
    other = tiny_model("llama", seed=1)
    tokens = generation.generate_greedy(llama, PROMPT, 8, set())
    head = head_of(llama)
    states, others = (generation.generation_states(model, PROMPT, tokens) for model in (llama, other))
    values = generation.kl_by_token(head, states, others)
    rows = slice(len(PROMPT) - 1, -1)
    p = llama(torch.tensor([PROMPT + tokens])).logits[0, rows].double().softmax(-1)
    hidden = other.model(torch.tensor([PROMPT + tokens])).last_hidden_state
    q = llama.lm_head(hidden)[0, rows].double().softmax(-1)
    assert values == pytest.approx((p * (p / q).log()).sum(-1).tolist(), rel=1e-4)
    assert min(values) > 0.01
    assert generation.kl_by_token(head, states, states) == [0.0] * 8


@pytest.mark.parametrize(
    ("left", "right", "place"),
    [([1, 2, 3], [1, 2, 3], None), ([1, 2, 3], [1, 9, 3], 1), ([1, 2], [1, 2, 3], 2), ([4], [5], 0)],
)
def test_first_difference(left, right, place):
    assert generation.first_difference(left, right) == place
    assert generation.first_difference(right, left) == place


@pytest.mark.parametrize("text", ["The river, and then?", " naïve 🙂🙂 café\n\n done", "𝔘"])
def test_token_texts_add_up_to_the_text(text):
    tokenizer = tiny_tokenizer()
    tokens = tokenizer(text)["input_ids"]
    texts = generation.token_texts(tokenizer, [*tokens, tokenizer.eos_token_id])
    assert "".join(texts) == text
    assert len(texts) == len(tokens) + 1
    assert texts[-1] == "", "the end of the answer is no text"
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(texts)


def test_half_a_character_at_the_end_is_shown_as_such():
    tokenizer = tiny_tokenizer()
    tokens = tokenizer("ok 🙂")["input_ids"][:-1]
    assert "".join(generation.token_texts(tokenizer, tokens)) == tokenizer.decode(tokens)


def test_the_prompt_goes_through_a_chat_template_where_there_is_one():
    tokenizer = tiny_tokenizer()
    assert generation.prompt_tokens(tokenizer, "a river") == tokenizer("a river")["input_ids"]
    tokenizer.chat_template = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    tokens = generation.prompt_tokens(tokenizer, "a river")
    assert tokenizer.decode(tokens) == "<s>user: a river</s>"


def test_a_prompt_that_is_too_long_is_refused(llama):
    generation.check_length(llama, PROMPT, POSITIONS - len(PROMPT))
    with pytest.raises(PruningError, match=f"longer than the {POSITIONS} this model reads"):
        generation.check_length(llama, PROMPT, POSITIONS)
