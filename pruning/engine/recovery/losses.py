"""What recovery minimises, computed without ever holding tokens x vocabulary."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, device_of
from pruning.planning.recipe.training import Training

CHUNK = 256


def backward(
    student: nn.Module, teacher: nn.Module, head: Head, ids: torch.Tensor, training: Training, share: float
) -> float:
    """Add `share` times the gradient of the loss on token windows `ids` [n, length]; returns the loss.

    `head` is the student's. Loss in nats per predicted token, plus `training.hidden` times the mean relative
    squared distance of the states between layers. The logits of `CHUNK` tokens exist at a time.
    """
    ids = ids.to(device_of(student))
    told: torch.Tensor | None = None
    inner_told: tuple[torch.Tensor, ...] = ()
    if training.loss != "task" or training.hidden:
        with torch.no_grad():
            told, inner_told = _states(teacher, ids, bool(training.hidden))
    states, inner = _states(student, ids, bool(training.hidden))
    loss, gradient = output_loss(head, states, told, ids, training)
    roots, grads = [states], [share * gradient]
    if training.hidden:
        distance = training.hidden * state_distance(inner, [one.to(states.dtype) for one in inner_told])
        loss += float(distance.detach())
        roots.append(distance)
        grads.append(torch.tensor(share, device=distance.device))
    torch.autograd.backward(roots, grads)
    return loss


def output_loss(
    head: Head, states: torch.Tensor, told: torch.Tensor | None, ids: torch.Tensor, training: Training
) -> tuple[float, torch.Tensor]:
    """The loss at the output, and its gradient for `states` [n, length, hidden].

    `told` are the teacher's states, needed unless only the next token counts.
    """
    leaf = states.detach().requires_grad_()
    after = leaf[:, :-1].flatten(0, 1)
    before = None if told is None else told[:, :-1].flatten(0, 1).to(leaf.dtype)
    following = ids[:, 1:].reshape(-1)
    gradient, total = torch.zeros_like(after), 0.0
    for start in range(0, len(following), CHUNK):
        rows = slice(start, start + CHUNK)
        piece = after[rows].detach().requires_grad_()
        loss = _chunk_loss(head, piece, None if before is None else before[rows], following[rows], training)
        loss = loss / len(following)
        (gradient[rows],) = torch.autograd.grad(loss, piece)
        total += float(loss.detach())
    whole = torch.zeros_like(states)
    whole[:, :-1] = gradient.view(len(ids), -1, states.shape[-1])
    return total, whole


def _chunk_loss(
    head: Head, after: torch.Tensor, before: torch.Tensor | None, following: torch.Tensor, training: Training
) -> torch.Tensor:
    """The loss summed over a chunk of states [m, hidden]."""
    logits = head(after).float()
    loss = logits.new_zeros(())
    if training.loss != "task" and before is not None:
        heat = training.temperature
        with torch.no_grad():
            wanted = torch.log_softmax(head(before).float() / heat, -1)
        given = torch.log_softmax(logits / heat, -1)
        # T² keeps the size of the gradients when predictions are softened (Hinton et al. 2015).
        loss = loss + heat**2 * nn.functional.kl_div(given, wanted, log_target=True, reduction="sum")
    if training.loss != "distill":
        loss = loss + nn.functional.cross_entropy(logits, following, reduction="sum")
    return loss


def state_distance(states: Sequence[torch.Tensor], told: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over layers of |student − teacher|² / |teacher|², each over all positions."""
    pairs = zip(states, told, strict=True)
    return torch.stack([(one - other).square().mean() / other.square().mean() for one, other in pairs]).mean()


def _states(
    model: nn.Module, ids: torch.Tensor, between: bool
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """The states before the head, and, where asked for, those after each layer but the last."""
    base: Any = model.base_model
    out = base(input_ids=ids, use_cache=False, output_hidden_states=between)
    return out.last_hidden_state, tuple(out.hidden_states[1:-1]) if between else ()
