"""Which weights go: from scores, levels and options to masks, bool [out, in], True = removed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.calibration.fisher import FisherFactors, Statistics
from pruning.engine.criteria import Criterion, GroupInputs
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import (
    DEFAULT,
    POOLED,
    MaskOptions,
    block_of,
    bounds,
    effective,
    kept_of,
    scoped,
)
from pruning.planning.recipe.plan import KINDS, Group, Plan

CriterionInputs = Callable[[Group], GroupInputs]
SINGLE = (1, 1)


def group_weight(model: nn.Module, group: GroupInfo) -> torch.Tensor:
    """The group's weights as one float32 matrix [out, in]; a copy, never a view."""
    return torch.cat([weight_view(model, part).detach().float() for part in group.parts])


def criterion_inputs(
    statistics: Statistics | None = None, gradients: Mapping[Group, torch.Tensor] | None = None
) -> CriterionInputs:
    """What criteria may look at, by group, from what has been collected."""

    def known(group: Group) -> GroupInputs:
        one = None if statistics is None else statistics.groups[group]
        return group_inputs(one, None if gradients is None else gradients[group], group)

    return known


def group_inputs(
    known: FisherFactors | None, gradients: torch.Tensor | None = None, group: Group = (0, KINDS[0])
) -> GroupInputs:
    """What criteria may look at in one group."""
    return GroupInputs(
        inputs=None if known is None else known.score_inputs,
        outputs=None if known is None else known.score_outputs,
        products=None if known is None else known.input_covariance,
        gradients=gradients,
        place=group[0] * len(KINDS) + KINDS.index(group[1]),
    )


def plan_masks(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    criterion: Criterion,
    plan: Plan,
    known: CriterionInputs,
    options: MaskOptions = DEFAULT,
) -> dict[Group, torch.Tensor]:
    """What the plan removes from each group. The model must be dense and is not changed."""
    options = scoped(options, criterion.scope)
    wanted = effective(plan, [(group.layer, group.kind) for group in groups], options)
    scores = {
        (group.layer, group.kind): criterion.score(
            group_weight(model, group), known((group.layer, group.kind))
        )
        for group in groups
        if (group.layer, group.kind) in wanted
    }
    return masks(scores, wanted, options, criterion.norm)


def masks(
    scores: Mapping[Group, torch.Tensor], plan: Plan, options: MaskOptions, norm: int = 1
) -> dict[Group, torch.Tensor]:
    """What goes, from the scores [out, in] of every group in the plan; `options` must name a scope."""
    if options.pattern is not None:
        return {key: pattern_mask(one, *kept_of(options.pattern)) for key, one in scores.items()}
    block = SINGLE if options.block is None else block_of(options.block)
    if options.scope not in POOLED:
        scope = options.scope or "group"
        return {key: removed(one, plan[key], scope, block, norm) for key, one in scores.items()}
    found: dict[Group, torch.Tensor] = {}
    for layer in sorted({layer for layer, _ in scores}) if options.scope == "layer" else [None]:
        pool = {key: one for key, one in scores.items() if layer in (None, key[0])}
        found |= pooled(pool, plan, block, norm, *bounds(options))
    return found


def removed(
    scores: torch.Tensor, level: float, scope: str, block: tuple[int, int] = SINGLE, norm: int = 1
) -> torch.Tensor:
    """The weights a level takes from one matrix: those with the lowest of the scores [out, in].

    Of the n weights compared, in each row (scope "row") or in the whole matrix (scope "group"), exactly
    round(level · n) go; among equal scores the first go. With blocks of several weights, whole blocks go and
    rows are rows of blocks; their weights come as near to level · n as blocks can.
    """
    units, sizes = block_scores(scores, block, norm)
    rows = 1 if scope == "group" else len(units)
    known = None if sizes is None else sizes.reshape(rows, -1)
    gone = _lowest(units.reshape(rows, -1), level, known).reshape(units.shape)
    return spread(gone, block, scores.shape)


def pooled(
    scores: Mapping[Group, torch.Tensor],
    plan: Plan,
    block: tuple[int, int],
    norm: int,
    floor: float,
    ceiling: float,
) -> dict[Group, torch.Tensor]:
    """One threshold over several groups, so that as many weights go as their levels ask for together.

    Each group loses at least `floor` and at most `ceiling` of its weights (0..1), whatever the scores.
    """
    total = sum(one.numel() for one in scores.values())
    level = sum(plan[key] * one.numel() for key, one in scores.items()) / total if total else 0.0
    if not floor <= level <= ceiling:
        raise PruningError(
            f"The plan removes {level:.3g} of the weights compared, which is not within every group's floor "
            f"{floor:g} and ceiling {ceiling:g}. Change the plan or the bounds."
        )
    units, sizes = [], []
    for one in scores.values():
        values, size = block_scores(one, block, norm)
        flat, own = values.reshape(1, -1).clone(), None if size is None else size.reshape(1, -1)
        least, most = _lowest(flat, floor, own), _lowest(flat, ceiling, own)
        units.append(flat.masked_fill(least, -torch.inf).masked_fill(~most, torch.inf))
        sizes.append(own)
    together = None if any(s is None for s in sizes) else torch.cat([s for s in sizes if s is not None], 1)
    gone = _lowest(torch.cat(units, 1), level, together).split([one.shape[1] for one in units], dim=1)
    return {
        key: spread(part.reshape(_grid(one.shape, block)), block, one.shape)
        for (key, one), part in zip(scores.items(), gone, strict=True)
    }


def pattern_mask(scores: torch.Tensor, kept: int, of: int) -> torch.Tensor:
    """N:M: of every `of` consecutive inputs of an output the `kept` with the highest scores [out, in] stay.

    Where the inputs do not divide, of those left over at the end `kept` stay as well.
    """
    mask = torch.zeros_like(scores, dtype=torch.bool)
    whole = scores.shape[1] // of * of
    for part, into in (
        (scores[:, :whole].unflatten(1, (-1, of)), mask[:, :whole].unflatten(1, (-1, of))),
        (scores[:, whole:], mask[:, whole:]),
    ):
        go = part.shape[-1] - kept
        if part.numel() and go > 0:
            into.scatter_(-1, part.topk(go, dim=-1, largest=False).indices, True)
    return mask


def block_scores(
    scores: torch.Tensor, block: tuple[int, int], norm: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The scores of blocks [block rows, block columns], and how many weights each has (None: all one).

    A block's score is the mean of its weights' (`norm` 1) or the root of their mean square (2): means, so
    that the smaller blocks at the edges compare fairly.
    """
    if block == SINGLE:
        return scores, None
    rows, columns = _grid(scores.shape, block)
    over = (0, columns * block[1] - scores.shape[1], 0, rows * block[0] - scores.shape[0])
    sums, sizes = (
        nn.functional.pad(values, over).reshape(rows, block[0], columns, block[1]).sum((1, 3))
        for values in (scores.pow(norm), torch.ones_like(scores))
    )
    return (sums / sizes).pow(1 / norm), sizes


def spread(units: torch.Tensor, block: tuple[int, int], shape: torch.Size) -> torch.Tensor:
    """From blocks to weights: [block rows, block columns] to `shape`."""
    if block == SINGLE:
        return units
    return units.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)[: shape[0], : shape[1]]


def _grid(shape: torch.Size, block: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // block[0]), -(-shape[1] // block[1])


def _lowest(scores: torch.Tensor, level: float, sizes: torch.Tensor | None = None) -> torch.Tensor:
    """In each row of scores [m, n] the lowest that make up `level` of the row: bool [m, n].

    `sizes` [m, n] are the weights behind each score, one each where None; the first of equal scores go.
    """
    if sizes is not None:
        order = scores.argsort(dim=1, stable=True)
        ordered = sizes.gather(1, order)
        # A block goes when that brings the row nearer to its level.
        goes = ordered.cumsum(1) - ordered / 2 < level * sizes.sum(1, keepdim=True)
        return torch.zeros_like(goes).scatter_(1, order, goes)
    count = round(level * scores.shape[1])
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    # numpy selects several times faster than torch's kthvalue on the CPU.
    parted = np.partition(scores.cpu().numpy(), count - 1, axis=1)
    threshold = torch.from_numpy(parted[:, count - 1 : count].copy()).to(scores.device)
    below = scores < threshold
    ties = scores == threshold
    missing = count - below.sum(1, keepdim=True)
    if bool((ties.sum(1, keepdim=True) > missing).any()):
        ties &= ties.cumsum(1) <= missing
    return below | ties
