"""The losses of recovery: distillation and the task's, without ever holding tokens x vocabulary."""

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
    """Add the gradient of the loss on one batch to the student's weights' gradients, *in place*.

    The logits of `CHUNK` tokens exist at a time.

    Parameters
    ----------
    student, teacher
        The model that is trained, and the dense one.
    head
        The student's step from states to logits.
    ids
        Token windows [n, length].
    training
        Which loss, its temperature, and the weight of the distance between states.
    share
        Times the gradient: 1 over the number of batches in a step.

    Returns
    -------
    The loss in nats per predicted token, plus `training.hidden` times the mean relative squared distance of
    the states between layers; without `share`.

    References
    ----------
    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531.
    """
    ids = ids.to(device_of(student))
    teacher_states: torch.Tensor | None = None
    teacher_inner: tuple[torch.Tensor, ...] = ()
    if training.loss != "task" or training.hidden:
        with torch.no_grad():
            teacher_states, teacher_inner = _states(teacher, ids, bool(training.hidden))
    states, inner = _states(student, ids, bool(training.hidden))
    loss, gradient = output_loss(head, states, teacher_states, ids, training)
    roots, grads = [states], [share * gradient]
    if training.hidden:
        targets = [target.to(states.dtype) for target in teacher_inner]
        distance = training.hidden * state_distance(inner, targets)
        loss += float(distance.detach())
        roots.append(distance)
        grads.append(torch.tensor(share, device=distance.device))
    torch.autograd.backward(roots, grads)
    return loss


def output_loss(
    head: Head,
    states: torch.Tensor,
    teacher_states: torch.Tensor | None,
    ids: torch.Tensor,
    training: Training,
) -> tuple[float, torch.Tensor]:
    """The loss at the output in nats per predicted token, and its gradient for the states.

    `states` and `teacher_states` are the student's and the teacher's before the head [n, length, hidden]; the
    teacher's are needed unless only the next token counts.
    """
    leaf = states.detach().requires_grad_()
    after = leaf[:, :-1].flatten(0, 1)
    before = None if teacher_states is None else teacher_states[:, :-1].flatten(0, 1).to(leaf.dtype)
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
    """The loss summed over a chunk of states [m, hidden]: the student's `after`, the teacher's `before`."""
    logits = head(after).float()
    loss = logits.new_zeros(())
    if training.loss != "task" and before is not None:
        heat = training.temperature
        with torch.no_grad():
            target = torch.log_softmax(head(before).float() / heat, -1)
        predicted = torch.log_softmax(logits / heat, -1)
        # T² keeps the size of the gradients when predictions are softened (Hinton et al. 2015, section 2).
        loss = loss + heat**2 * nn.functional.kl_div(predicted, target, log_target=True, reduction="sum")
    if training.loss != "distill":
        loss = loss + nn.functional.cross_entropy(logits, following, reduction="sum")
    return loss


def state_distance(states: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over layers of |student − teacher|² / |teacher|², each over all positions."""
    pairs = zip(states, targets, strict=True)
    relative = [(state - target).square().mean() / target.square().mean() for state, target in pairs]
    return torch.stack(relative).mean()


def _states(
    model: nn.Module, ids: torch.Tensor, between: bool
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """The states before the head, and, where asked for, those after each layer but the last."""
    base: Any = model.base_model
    out = base(input_ids=ids, use_cache=False, output_hidden_states=between)
    return out.last_hidden_state, tuple(out.hidden_states[1:-1]) if between else ()
