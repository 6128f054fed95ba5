"""Leaving the model early: how good its predictions are after each layer, and when it is sure enough."""

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
    """What leaving after each layer gives, at every scored position: all [layers, positions].

    `kl` to the dense model and `loss` of the next token in nats; `hit` and `same` whether the most likely
    token is the next one, and the dense model's; `sure` is that token's probability.
    """

    kl: torch.Tensor
    loss: torch.Tensor
    hit: torch.Tensor
    same: torch.Tensor
    sure: torch.Tensor


def exits(
    model: nn.Module,
    head: Head,
    dense: torch.Tensor,
    windows: torch.Tensor,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Exits:
    """One pass of `model` over token windows [n, length], looked at after every layer.

    A state leaves through the model's own last norm and `head` (the logit lens). `dense` [n, length, hidden]
    are the dense model's last states. The states of one batch and the logits of `CHUNK` positions exist at a
    time.
    """
    rows: list[torch.Tensor] = []
    done = 0
    with torch.no_grad():
        for ids, told in zip(batches(windows), batches_like(dense, windows), strict=True):
            with after_each_layer(model) as states:
                hidden_states(model, ids)
            following = ids[:, 1:].reshape(-1).to(told.device)
            wanted = told[:, :-1].flatten(0, 1)
            rows.append(
                torch.stack([_leave(model, head, ids, state, wanted, following) for state in states], 1)
            )
            done += len(ids)
            step(done, len(windows))
    return Exits(*torch.cat(rows, dim=2))


def _leave(
    model: nn.Module,
    head: Head,
    ids: torch.Tensor,
    state: torch.Tensor,
    wanted: torch.Tensor,
    following: torch.Tensor,
) -> torch.Tensor:
    """The five figures [5, positions] of leaving with `state` [n, length, hidden]."""
    left = finished(model, ids, state)[:, :-1].flatten(0, 1)
    parts = []
    for one, other, token in zip(left.split(CHUNK), wanted.split(CHUNK), following.split(CHUNK), strict=True):
        q, p = torch.log_softmax(head(one).float(), -1), torch.log_softmax(head(other).float(), -1)
        sure, best = q.max(-1)
        loss = -q.gather(1, token.unsqueeze(1)).squeeze(1)
        figures = [token_kl(p, q).float(), loss, best == token, best == p.argmax(-1), sure.exp()]
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


def at_depth(found: Exits, depth: int) -> Quality:
    """Quality of always leaving after `depth` layers (1 or more)."""
    return _quality(found, torch.full((found.kl.shape[1],), depth - 1))


def when_sure(found: Exits, threshold: float) -> tuple[float, Quality]:
    """Mean layers used, and quality, when each token leaves after the first layer whose most likely token
    has at least this probability (0..1), and after the last if there is none.

    Each token is seen as if all layers had been computed for those before it.
    """
    sure = found.sure >= threshold
    sure[-1] = True
    first = sure.float().argmax(0)
    return float((first + 1).double().mean()), _quality(found, first)


def _quality(found: Exits, layer: torch.Tensor) -> Quality:
    """Quality when position i leaves after layer number `layer[i]`, counted from 0."""
    taken = layer.unsqueeze(0)
    kl, loss, hit, same = (
        float(one.gather(0, taken).double().mean()) for one in (found.kl, found.loss, found.hit, found.same)
    )
    return Quality(max(0.0, kl), loss, hit, same, found.kl.shape[1])
