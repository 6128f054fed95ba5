"""How a model behaves: its greedy answers to a fixed set of prompts, held against the dense model's."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from pruning.engine.evaluation import generation
from pruning.errors import PruningError
from pruning.resources import asset

NEW_TOKENS = 64
# An answer leaves the dense one early when it parts from it within so many tokens.
EARLY = 4
# See `falls_into_repetition`.
NGRAM, TAIL = 4, 32

Answers = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class DenseAnswers:
    """What the dense model does, for pruned ones to be held against.

    `answers` has the tokens of its answer to each prompt, and is None where it cannot give any, for the
    reason in `why_not`. `hits` says of each question whether it is answered right.
    """

    answers: Answers | None
    hits: tuple[bool, ...]
    why_not: str = ""


@cache
def load_prompts() -> tuple[str, ...]:
    """The prompts written for this project: explaining, lists, letters, facts, code, stories, advice."""
    lines = asset("prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["prompt"] for line in lines if line.strip())


def answer_prompts(
    model: nn.Module, tokenizer: Any, after_token: Callable[[int], None] = lambda _: None
) -> Answers:
    """The greedy answer to each prompt in tokens, at most `NEW_TOKENS` of them, all computed side by side.

    `after_token` may raise to break off. Raises PruningError where prompts and answers are longer than the
    model can read.
    """
    prompts = [generation.prompt_tokens(tokenizer, prompt) for prompt in load_prompts()]
    generation.check_length(model, max(prompts, key=len), NEW_TOKENS)
    stop = generation.end_tokens(model, tokenizer)
    answers = generation.generate_greedy_batch(model, prompts, NEW_TOKENS, stop, after_token)
    return tuple(map(tuple, answers))


def dense_answers(
    model: nn.Module, tokenizer: Any, hits: Sequence[bool], after_token: Callable[[int], None]
) -> DenseAnswers:
    """Let the dense model answer every prompt; `hits` are its answers to the questions."""
    try:
        return DenseAnswers(answer_prompts(model, tokenizer, after_token), tuple(hits))
    except PruningError as error:
        return DenseAnswers(None, tuple(hits), str(error))


def falls_into_repetition(tokens: Sequence[int]) -> bool:
    """Whether an answer runs in circles at its end.

    Of the 4-grams that end within its last 32 tokens, more than half have stood in the answer before: any
    loop of up to some 20 tokens that has come round twice, and also one that changes a little each time.

    References
    ----------
    The share of 4-grams that repeat is seq-rep-4 of Welleck et al., Neural Text Generation with Unlikelihood
    Training (2020); here it is taken over the end of the answer, where a greedy loop stays.
    """
    grams = [tuple(tokens[place : place + NGRAM]) for place in range(len(tokens) - NGRAM + 1)]
    first = {gram: place for place, gram in reversed(list(enumerate(grams)))}
    tail = range(max(0, len(grams) - TAIL), len(grams))
    return 2 * sum(first[grams[place]] < place for place in tail) > len(tail)


def behaviour(
    dense: DenseAnswers, answers: Answers | None, hits: Sequence[bool], tokenizer: Any
) -> dict[str, Any]:
    """Figures of a pruned model's `answers` and `hits` beside the dense model's.

    Returns
    -------
    dict
        `prompts` that were asked; `counted` of them, where the dense answer does not fall into repetition
        itself, and of these `repeating`, where the pruned one does, and `cut_short`, where it ends before it
        is half as long as the dense one; `early`, whose answer parts from the dense one within `EARLY`
        tokens; `common_prefix`, the tokens that both begin with, on average;
        `questions`, `questions_right` by the dense model, `questions_lost` of these, `questions_won` of the
        others; and one `example`. Without answers `why_not` stands for what is about them.
    """
    questions = {
        "questions": len(hits),
        "questions_right": sum(dense.hits),
        "questions_lost": sum(old and not new for old, new in zip(dense.hits, hits, strict=True)),
        "questions_won": sum(new and not old for old, new in zip(dense.hits, hits, strict=True)),
    }
    if dense.answers is None or answers is None:
        return {"prompts": 0, "why_not": dense.why_not, **questions}
    pairs = list(zip(dense.answers, answers, strict=True))
    parted = [generation.first_difference(old, new) for old, new in pairs]
    shared = [len(old) if place is None else place for place, (old, _) in zip(parted, pairs, strict=True)]
    counted = [number for number, (old, _) in enumerate(pairs) if not falls_into_repetition(old)]
    repeating = [number for number in counted if falls_into_repetition(answers[number])]
    short = [n for n in counted if n not in repeating and 2 * len(answers[n]) < len(dense.answers[n])]
    worst = next(iter((*repeating, *short)), min(range(len(pairs)), key=shared.__getitem__))
    return {
        "prompts": len(pairs),
        "counted": len(counted),
        "repeating": len(repeating),
        "cut_short": len(short),
        "early": sum(place is not None and place < EARLY for place in parted),
        "common_prefix": sum(shared) / len(shared),
        "new_tokens": NEW_TOKENS,
        **questions,
        "example": {
            "prompt": load_prompts()[worst],
            "dense": _text(tokenizer, dense.answers[worst]),
            "pruned": _text(tokenizer, answers[worst]),
        },
    }


def _text(tokenizer: Any, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()
