"""Which weights a level removes, and putting that on a model for a while."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from pruning.criteria import Criterion
from pruning.errors import PruningError
from pruning.groups import GroupInfo, weight_view
from pruning.plan import Group, Plan
from pruning.statistics import GroupStatistics, Statistics


def group_weight(model: nn.Module, group: GroupInfo) -> torch.Tensor:
    """The group's weights as one float32 matrix [out, in]; a copy, never a view."""
    return torch.cat([weight_view(model, part).detach().float() for part in group.parts])


def group_scores(
    criterion: Criterion, weight: torch.Tensor, statistics: GroupStatistics | None
) -> torch.Tensor:
    """Scores [out, in] of a group's weight [out, in], higher = keep."""
    if statistics is None:
        if criterion.needs_statistics:
            raise PruningError(
                f"The criterion {criterion.name} needs statistics of the model; make a map first."
            )
        empty = weight.new_empty(0)
        return criterion.score(weight, empty, empty)
    return criterion.score(weight, statistics.score_inputs, statistics.score_outputs)


def removed(scores: torch.Tensor, level: float, scope: str) -> torch.Tensor:
    """The weights a level takes: bool [out, in], True = removed, with the lowest scores.

    Exactly round(level · n) of the n weights compared go, within the matrix (scope "layer") or in each
    row (scope "row"); among equal scores the first go.
    """
    rows = scores if scope == "row" else scores.reshape(1, -1)
    count = round(level * rows.shape[1])
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    # numpy selects several times faster than torch's kthvalue on the CPU.
    parted = np.partition(rows.cpu().numpy(), count - 1, axis=1)
    threshold = torch.from_numpy(parted[:, count - 1 : count].copy()).to(scores.device)
    below = rows < threshold
    ties = rows == threshold
    missing = count - below.sum(1, keepdim=True)
    if bool((ties.sum(1, keepdim=True) > missing).any()):
        ties &= ties.cumsum(1) <= missing
    return (below | ties).reshape(scores.shape)


def plan_masks(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    criterion: Criterion,
    plan: Plan,
    statistics: Statistics | None,
) -> dict[Group, torch.Tensor]:
    """What the plan removes from each group: bool [out, in], True = removed. The model must be dense."""
    masks = {}
    for group in groups:
        key = (group.layer, group.kind)
        level = plan.get(key, 0.0)
        if level > 0:
            known = statistics.groups[key] if statistics is not None else None
            scores = group_scores(criterion, group_weight(model, group), known)
            masks[key] = removed(scores, level, criterion.scope)
    return masks


@contextmanager
def masked(
    model: nn.Module, groups: Sequence[GroupInfo], masks: Mapping[Group, torch.Tensor]
) -> Iterator[None]:
    """Set the removed weights to zero while open; the dense weights come back bit for bit.

    Takes as much memory again as the weights of the masked groups: whole copies are put back many times
    faster than picked weights.
    """
    saved: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        with torch.no_grad():
            for group in groups:
                mask = masks.get((group.layer, group.kind))
                if mask is None:
                    continue
                start = 0
                for part in group.parts:
                    view = weight_view(model, part)
                    piece = mask[start : start + view.shape[0]]
                    start += view.shape[0]
                    saved.append((view, view.clone()))
                    view.masked_fill_(piece, 0)
        yield
    finally:
        with torch.no_grad():
            for view, values in saved:
                view.copy_(values)
