"""Answers to the fixed prompts: the dense model's, kept in the workspace, and how a pruned model's differ."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from pruning.engine.architecture.forward import Head
from pruning.engine.calibration.data import load_probes
from pruning.engine.evaluation import behaviour
from pruning.engine.evaluation.behaviour import DenseAnswers
from pruning.engine.evaluation.metrics import probe_hits
from pruning.engine.models.load import Loaded
from pruning.progress import Progress, stage
from pruning.workspace.store import Store

KIND = "dense_answers"


def dense_answers(loaded: Loaded, head: Head, store: Store, progress: Progress) -> DenseAnswers:
    """The dense model's answers: from the workspace, or else asked now, and kept there.

    Nothing may be pruned while it is asked.
    """
    key = {"fingerprint": loaded.computed, "device": loaded.device, "asked": _asked()}
    value = store.get(KIND, key)
    if value is None:
        note = "The unpruned model answers"
        heard = stage(progress, "dense_answers", note)
        hits = probe_hits(loaded.model, head, loaded.tokenizer, load_probes())
        dense = behaviour.dense_answers(loaded.model, loaded.tokenizer, hits, _each_token(heard, note))
        value = {"answers": dense.answers, "hits": dense.hits, "why_not": dense.why_not}
        store.put(KIND, key, value)
    answers = value["answers"]
    return DenseAnswers(
        None if answers is None else tuple(map(tuple, answers)), tuple(value["hits"]), value["why_not"]
    )


def behaviour_now(
    loaded: Loaded, dense: DenseAnswers, hits: Sequence[bool], progress: Progress
) -> dict[str, Any]:
    """How the model as it is now behaves beside the dense one; `hits` are its answers to the questions."""
    answers = None
    if dense.answers is not None:
        note = "Answering the prompts"
        heard = stage(progress, "prompts", note)
        answers = behaviour.answer_prompts(loaded.model, loaded.tokenizer, _each_token(heard, note))
    return behaviour.behaviour(dense, answers, hits, loaded.tokenizer)


def _asked() -> str:
    """What is asked, in a few letters: answers to other prompts or questions are others."""
    text = f"{behaviour.load_prompts()} {behaviour.NEW_TOKENS} {load_probes()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _each_token(progress: Progress, note: str) -> Callable[[int], None]:
    """Reports each token of the longest answer; what hears it may break off."""
    return lambda tokens: progress(tokens, behaviour.NEW_TOKENS, note)
