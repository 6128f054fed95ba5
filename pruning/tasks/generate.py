"""The task that lets the dense model and pruned ones answer the same prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pruning.engine.architecture.forward import Head, head_of
from pruning.engine.evaluation import generation
from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import names
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress, within
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.session import Session

Key = dict[str, Any]


@dataclass(frozen=True)
class _Request:
    """One answer that is wanted: what is done to the model, and the key it is stored under."""

    spec: PruningSpec
    key: Key


@dataclass(frozen=True)
class DenseAnswer:
    """The dense model on one prompt: tokens of the prompt, of the answer, and states [tokens, hidden]."""

    prompt: list[int]
    said: list[int]
    states: torch.Tensor


def generate(
    session: Session,
    prompts: Sequence[str],
    plans: Sequence[Sequence[str]],
    criterion: str = "fisher",
    max_new_tokens: int = 40,
    **options: Any,
) -> dict[str, Any]:
    """Let the dense model and each plan answer every prompt, most likely token by most likely token.

    `answers` has a row for each prompt and plan: both answers as text and in tokens, the first token where
    they part (None where they do not), and KL(dense ‖ pruned) in nats at each token of the dense answer.
    A row is stored and streamed as soon as it is there; what is in the store is not asked again.
    """
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise PruningError("The prompt is empty. Write a few words for the model to go on from.")
    if max_new_tokens < 1:
        raise PruningError(f"An answer of {max_new_tokens} tokens is none. Ask for 1 or more.")
    specs = [spec_of(session, settings, criterion, options) for settings in plans]
    text = {**session.text_key, "max_new_tokens": max_new_tokens}
    requests = [
        _Request(spec, {**text, "prompt": prompt, **spec.key()}) for prompt in prompts for spec in specs
    ]
    missing = [request for request in requests if session.store.get("answer", request.key) is None]
    if missing:
        _ask(session, missing)
    return {"answers": [session.store.get("answer", request.key) for request in requests]}


def _ask(session: Session, missing: list[_Request]) -> None:
    """Answer and store what is missing: first the dense model, then plan after plan."""
    head = head_of(session.model)
    prompts = list(dict.fromkeys(request.key["prompt"] for request in missing))
    specs = list(dict.fromkeys(request.spec for request in missing))
    new_tokens = missing[0].key["max_new_tokens"]
    dense: dict[str, DenseAnswer] = {}
    answering = session.stage("answer", "The unpruned model answers")
    for prompt in prompts:
        heard = listener(answering, len(dense), len(prompts), new_tokens, "The unpruned model answers")
        dense[prompt] = dense_answer(session.loaded, prompt, new_tokens, heard)
    for number, spec in enumerate(specs):
        part = session.reporting(within(session.progress, number, len(specs)))
        note = f"{', '.join(spec.settings) or 'Nothing removed'} answers"
        keys = [request.key for request in missing if request.spec == spec]
        with applied(part, spec):
            answering = part.stage("answer", note)
            for done, key in enumerate(keys):
                heard = listener(answering, done, len(keys), new_tokens, note)
                row = pruned_answer(session.loaded, head, key, dense[key["prompt"]], heard)
                session.store.put("answer", key, row)
                answering(done + 1, len(keys), note, {"answer": row})


def dense_answer(loaded: Loaded, prompt: str, new_tokens: int, heard: Callable[[int], None]) -> DenseAnswer:
    """What the dense model says to a prompt; `heard` hears how many tokens there are."""
    model, tokenizer = loaded.model, loaded.tokenizer
    ids = generation.prompt_tokens(tokenizer, prompt)
    generation.check_length(model, ids, new_tokens)
    said = generation.generate_greedy(model, ids, new_tokens, generation.end_tokens(model, tokenizer), heard)
    return DenseAnswer(ids, said, generation.generation_states(model, ids, said))


def pruned_answer(
    loaded: Loaded, head: Head, key: Key, dense: DenseAnswer, heard: Callable[[int], None]
) -> dict[str, Any]:
    """The row of one prompt and plan; the plan must be applied."""
    model, tokenizer = loaded.model, loaded.tokenizer
    stop = generation.end_tokens(model, tokenizer)
    said = generation.generate_greedy(model, dense.prompt, key["max_new_tokens"], stop, heard)
    states = generation.generation_states(model, dense.prompt, dense.said)
    kl = generation.kl_by_token(head, dense.states, states)
    before, after = generation.token_texts(tokenizer, dense.said), generation.token_texts(tokenizer, said)
    return {
        "prompt": key["prompt"],
        "settings": key["settings"],
        "criterion": key["criterion"],
        **{name: key[name] for name in names() if name in key},
        "max_new_tokens": key["max_new_tokens"],
        "dense": "".join(before).strip(),
        "pruned": "".join(after).strip(),
        "dense_tokens": before,
        "pruned_tokens": after,
        "dense_ended": dense.said[-1] in stop,
        "pruned_ended": said[-1] in stop,
        "first_difference": generation.first_difference(dense.said, said),
        "kl": kl,
    }


def listener(progress: Progress, done: int, total: int, new_tokens: int, note: str) -> Callable[[int], None]:
    """Reports each token of the answer that comes after `done` others."""
    return lambda tokens: progress(done + tokens / new_tokens, total, note)
