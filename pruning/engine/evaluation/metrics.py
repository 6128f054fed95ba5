"""How far a pruned model is from its dense self, and how good either is."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, device_of
from pruning.engine.calibration.data import Probe

# Positions whose logits exist at once, and at most so many logits: with a large vocabulary fewer positions.
CHUNK, MOST_LOGITS = 512, 512 * 50_000


@dataclass(frozen=True)
class Quality:
    """Means over the scored tokens.

    Attributes
    ----------
    kl
        KL(dense ‖ model) in nats per token; lower is better.
    cross_entropy
        Of the next token, in nats; lower is better.
    accuracy
        Share of next tokens predicted right, 0..1; higher is better.
    agreement
        Share of positions where the most likely token is the dense model's, 0..1; higher is better.
    tokens
        How many were scored.
    """

    kl: float
    cross_entropy: float
    accuracy: float
    agreement: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """exp(cross-entropy); lower is better."""
        return math.exp(min(self.cross_entropy, 700.0))


def compare(
    head: Head,
    dense: torch.Tensor,
    pruned: torch.Tensor,
    windows: torch.Tensor,
    every: int = 1,
    other_head: Head | None = None,
) -> Quality:
    """Quality of a pruned model against the dense one. Logits exist for at most `CHUNK` positions at a time.

    Parameters
    ----------
    head
        The step from states to logits, of both unless the pruned model has an `other_head`.
    dense, pruned
        Hidden states before the head [n, length, hidden] of the two models.
    windows
        The token windows [n, length] they were computed on.
    every
        Every so many positions one that has a next token is scored.
    """
    device = dense.device
    keep = torch.arange(every - 1, windows.shape[1] - 1, every)
    targets = windows[:, keep + 1].reshape(-1).to(device)
    before = dense[:, keep.to(device)].flatten(0, 1)
    after = pruned[:, keep.to(device)].flatten(0, 1)
    totals = torch.zeros(4, dtype=torch.float64)
    with torch.no_grad():
        rows = max(1, min(CHUNK, MOST_LOGITS // head(before[:1]).shape[-1])) if len(before) else CHUNK
        for old, new, target in zip(before.split(rows), after.split(rows), targets.split(rows), strict=True):
            logits = head(old)
            # Where the dense model is held against itself, its logits are worked out once.
            same = pruned is dense and other_head is None
            totals += _chunk_totals(logits, logits if same else (other_head or head)(new), target)
    means = (totals / len(targets)).tolist()
    return Quality(max(0.0, means[0]), means[1], means[2], means[3], len(targets))


def _chunk_totals(old: torch.Tensor, new: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Sums of KL, cross-entropy, hits and agreements over a chunk of logits [m, vocabulary]."""
    best_old, best_new = old.argmax(-1), new.argmax(-1)
    p = torch.log_softmax(old.float(), -1)
    q = p if new is old else torch.log_softmax(new.float(), -1)
    # Where a broken model's logits are no numbers it says nothing about the next token: all are as likely.
    q = torch.where(q.isnan(), -math.log(q.shape[-1]), q)
    kl = token_kl(p, q)
    nll = -q.gather(1, target.unsqueeze(1)).double()
    hits, agreements = (best_new == target).sum(), (best_new == best_old).sum()
    return torch.stack([kl.sum(), nll.sum(), hits.double(), agreements.double()]).cpu()


def token_kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p ‖ q) [m] in nats, of log probabilities [m, vocabulary]."""
    return torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1, dtype=torch.float64)


def probe_accuracy(model: nn.Module, head: Head, tokenizer: Any, probes: Sequence[Probe]) -> dict[str, float]:
    """Share of questions answered right, 0..1, by capability, and under "all" over all of them."""
    return shares_right(probes, probe_hits(model, head, tokenizer, probes))


def shares_right(probes: Sequence[Probe], hits: Sequence[bool]) -> dict[str, float]:
    """Share of `hits`, one for each of `probes`, by capability, and under "all" over all of them."""
    right: dict[str, list[bool]] = defaultdict(list)
    for probe, hit in zip(probes, hits, strict=True):
        right[probe.capability].append(hit)
    return {name: sum(each) / len(each) for name, each in [*sorted(right.items()), ("all", list(hits))]}


def probe_hits(model: nn.Module, head: Head, tokenizer: Any, probes: Sequence[Probe]) -> list[bool]:
    """Whether each of `probes` is answered right.

    The answer is the choice with the highest mean log-likelihood per token after the question. Questions
    of equal length are read together once, without padding, and their choices continue from the cache.
    """
    by_length: dict[tuple[int, int], list[tuple[int, list[int]]]] = defaultdict(list)
    for number, probe in enumerate(probes):
        ids = tokenizer(probe.question)["input_ids"]
        by_length[len(ids), len(probe.choices)].append((number, ids))
    hits = [False] * len(probes)
    for questions in by_length.values():
        scores = _choice_scores(model, head, tokenizer, [(probes[number], ids) for number, ids in questions])
        for (number, _), row in zip(questions, scores, strict=True):
            hits[number] = int(row.argmax()) == probes[number].answer
    return hits


def _choice_scores(
    model: nn.Module, head: Head, tokenizer: Any, questions: list[tuple[Probe, list[int]]]
) -> torch.Tensor:
    """Mean log-likelihood per token [questions, choices] of each choice after its question."""
    device, base = device_of(model), model.base_model
    choices = [
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for probe, _ in questions
        for text in probe.choices
    ]
    repeats, width = len(questions[0][0].choices), max(map(len, choices))
    padded = torch.tensor([ids + [0] * (width - len(ids)) for ids in choices], device=device)
    real = torch.tensor([[True] * len(ids) + [False] * (width - len(ids)) for ids in choices], device=device)
    ids = torch.tensor([ids for _, ids in questions], device=device)
    with torch.no_grad():
        read = base(input_ids=ids, use_cache=True)  # type: ignore[operator]
        last = read.last_hidden_state[:, -1:].repeat_interleave(repeats, 0)
        read.past_key_values.batch_repeat_interleave(repeats)
        answered = base(input_ids=padded, past_key_values=read.past_key_values, use_cache=True)  # type: ignore[operator]
        hidden = torch.cat([last, answered.last_hidden_state[:, :-1]], dim=1)
        logs = torch.log_softmax(head(hidden[real]).float(), -1)
        each = torch.zeros_like(real, dtype=torch.float32)
        each[real] = logs.gather(1, padded[real].unsqueeze(1)).squeeze(1)
    return (each.sum(1) / real.sum(1)).view(len(questions), repeats)
