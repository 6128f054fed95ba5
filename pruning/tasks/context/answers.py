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
from pruning.progress import Progress
from pruning.workspace.store import Store

KIND = "dense_answers"


def dense_answers(loaded: Loaded, head: Head, store: Store, progress: Progress) -> DenseAnswers:
    """The dense model's answers: from the workspace, or else asked now, and kept there.

    Nothing may be pruned while it is asked.
    """
    key = {"fingerprint": loaded.fingerprint, "device": loaded.device, "asked": _asked()}
    value = store.get(KIND, key)
    if value is None:
        progress(0, 1, "The unpruned model answers the questions")
        hits = probe_hits(loaded.model, head, loaded.tokenizer, load_probes())
        heard = _listener(progress, 0, 1, "The unpruned model answers the prompts")
        dense = behaviour.dense_answers(loaded.model, loaded.tokenizer, hits, heard)
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
        heard = _listener(progress, 4, 5, "Answering the prompts")
        answers = behaviour.answer_prompts(loaded.model, loaded.tokenizer, heard)
    return behaviour.behaviour(dense, answers, hits, loaded.tokenizer)


def _asked() -> str:
    """What is asked, in a few letters: answers to other prompts or questions are others."""
    text = f"{behaviour.load_prompts()} {behaviour.NEW_TOKENS} {load_probes()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _listener(progress: Progress, done: int, total: int, note: str) -> Callable[[int], None]:
    """Reports each token of the longest answer; what hears it may break off."""
    return lambda tokens: progress(done + tokens / behaviour.NEW_TOKENS, total, note)
