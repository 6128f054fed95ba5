"""Early exit: how good the predictions after each layer are, and when they are confident enough."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, batches, batches_like, hidden_states
from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.evaluation.metrics import Quality, token_kl

CHUNK = 256


@dataclass(frozen=True)
class Exits:
    """What an exit after each layer gives, at every scored position: all [layers, positions].

    `kl` to the dense model and `loss` of the next token in nats; `hit` and `same` whether the most likely
    token is the next one, and the dense model's (0 or 1); `confidence` is that token's probability, 0..1.
    """

    kl: torch.Tensor
    loss: torch.Tensor
    hit: torch.Tensor
    same: torch.Tensor
    confidence: torch.Tensor


def exits(
    model: nn.Module,
    head: Head,
    dense: torch.Tensor,
    windows: torch.Tensor,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Exits:
    """One pass of the model, with its predictions read off after every layer.

    A state exits through the model's own last norm and its head (the logit lens). The states of one batch
    and the logits of `CHUNK` positions exist at a time.

    Parameters
    ----------
    model, head
        The model that is examined, pruned or not, and its step from states to logits.
    dense
        The dense model's last hidden states [n, length, hidden].
    windows
        Token windows [n, length]; every position that has a next token is scored.
    step
        Told of windows done and their number.
    """
    rows: list[torch.Tensor] = []
    done = 0
    with torch.no_grad():
        for ids, dense_states in zip(batches(windows), batches_like(dense, windows), strict=True):
            with after_each_layer(model) as states:
                hidden_states(model, ids)
            following = ids[:, 1:].reshape(-1).to(dense.device)
            target = dense_states[:, :-1].flatten(0, 1)
            before_head = (finished(model, ids, state)[:, :-1].flatten(0, 1) for state in states)
            rows.append(torch.stack([_figures(head, early, target, following) for early in before_head], 1))
            done += len(ids)
            step(done, len(windows))
    return Exits(*torch.cat(rows, dim=2))


def _figures(head: Head, states: torch.Tensor, dense: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """The five fields of `Exits` [5, positions] for states [positions, hidden] before the head."""
    parts = []
    chunks = zip(states.split(CHUNK), dense.split(CHUNK), following.split(CHUNK), strict=True)
    for early, late, token in chunks:
        q, p = torch.log_softmax(head(early).float(), -1), torch.log_softmax(head(late).float(), -1)
        confidence, best = q.max(-1)
        loss = -q.gather(1, token.unsqueeze(1)).squeeze(1)
        figures = [token_kl(p, q).float(), loss, best == token, best == p.argmax(-1), confidence.exp()]
        parts.append(torch.stack([figure.float() for figure in figures]))
    return torch.cat(parts, dim=1).cpu()


@contextmanager
def after_each_layer(model: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collects what comes out of each decoder layer [n, length, hidden] in the passes run while open."""
    states: list[torch.Tensor] = []

    def keep(_: nn.Module, args: Any, result: Any) -> None:
        states.append((result if isinstance(result, torch.Tensor) else result[0]).detach())

    with ExitStack() as stack:
        for _, layer in decoder_layers(model):
            stack.callback(layer.register_forward_hook(keep).remove)
        yield states


def finished(model: nn.Module, ids: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """What the head would see if `state` [n, length, hidden] came out of the last layer.

    The model runs with no layer computed, so that whatever it does after them (a norm, a projection) is done.
    """
    modules = [module for _, module in decoder_layers(model)]

    def answer(*_: Any, **__: Any) -> torch.Tensor:
        return state

    try:
        for module in modules:
            module.forward = answer
        return hidden_states(model, ids)
    finally:
        for module in modules:
            module.__dict__.pop("forward", None)


def at_depth(measured: Exits, depth: int) -> Quality:
    """Quality of an exit after `depth` layers (1 or more) at every position."""
    return _quality(measured, torch.full((measured.kl.shape[1],), depth - 1))


def at_confidence(measured: Exits, threshold: float) -> tuple[float, Quality]:
    """Mean layers used, and quality, of exits by confidence.

    Each token exits after the first layer whose most likely token has at least the probability `threshold`
    (0..1), and after the last if there is none. Each token is seen as if all layers had been computed for
    those before it.

    References
    ----------
    Schuster et al. 2022, "Confident Adaptive Language Modeling", arXiv 2207.07061, without its way of
    choosing the threshold.
    """
    confident = measured.confidence >= threshold
    confident[-1] = True
    first = confident.float().argmax(0)
    return float((first + 1).double().mean()), _quality(measured, first)


def _quality(measured: Exits, layer: torch.Tensor) -> Quality:
    """Quality when position i exits after layer number `layer[i]`, counted from 0."""
    chosen = layer.unsqueeze(0)
    fields = (measured.kl, measured.loss, measured.hit, measured.same)
    kl, loss, hit, same = (float(field.gather(0, chosen).double().mean()) for field in fields)
    return Quality(max(0.0, kl), loss, hit, same, measured.kl.shape[1])
