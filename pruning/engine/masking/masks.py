"""Which weights are pruned: from scores, levels and options to masks, bool [out, in], True = zero."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.architecture.paging import scratch_of
from pruning.engine.architecture.spilled import group_tensors
from pruning.engine.calibration.factors import Statistics
from pruning.engine.criteria import Criterion
from pruning.engine.criteria.inputs import CriterionInputs, GroupInputs
from pruning.errors import PruningError
from pruning.planning.imports.pruned_before import SOME_ZEROS
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

SINGLE = (1, 1)


def zeros_of(weight: torch.Tensor) -> torch.Tensor | None:
    """The zeros of a weight that was pruned before, bool [out, in], which stay; None where it was not.

    A few weights are exactly zero by chance: those of a dense model are pruned by their scores as all others.
    """
    zeros = weight == 0
    return zeros if float(zeros.double().mean()) >= SOME_ZEROS else None


def criterion_inputs(
    statistics: Statistics | None = None, gradients: Mapping[Group, torch.Tensor] | None = None
) -> CriterionInputs:
    """What criteria may look at, by group, from the Fisher factors and gradients that were collected."""

    def lookup(group: Group) -> GroupInputs:
        factors = None if statistics is None else statistics.groups[group]
        return GroupInputs(
            inputs=None if factors is None else factors.score_inputs,
            outputs=None if factors is None else factors.score_outputs,
            products=None if factors is None else factors.input_covariance,
            gradients=None if gradients is None else gradients[group],
            place=group[0] * len(KINDS) + KINDS.index(group[1]),
        )

    return lookup


def plan_masks(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    criterion: Criterion,
    plan: Plan,
    inputs: CriterionInputs,
    options: MaskOptions = DEFAULT,
) -> Mapping[Group, torch.Tensor]:
    """What the plan prunes of each group, bool [out, in], True = zero.

    Parameters
    ----------
    model
        The dense model, which is not changed.
    groups
        Its groups.
    criterion
        Scores the weights (higher = keep), and says within what they are compared where `options` do not.
    plan
        The sparsity of each group, 0..0.95; groups that it does not name stay dense and have no mask.
    inputs
        What the criterion looks at.
    options
        Structure, scope, protected layers and bounds.

    Raises
    ------
    PruningError
        For an input that the criterion needs and nobody collected, and for a plan the options do not allow.
    """
    options = scoped(options, criterion.scope)
    levels = effective(plan, [group.key for group in groups], options)
    scores = (
        (group.key, criterion.score(group_weight(model, group), inputs(group.key)))
        for group in groups
        if group.key in levels
    )
    if options.pattern is None and options.scope in POOLED:
        return masks(dict(scores), levels, options, criterion.norm)
    # Of all groups at once the scores would take as much memory as the weights.
    pruned = group_tensors(scratch_of(model))
    for key, values in scores:
        pruned[key] = masks({key: values}, levels, options, criterion.norm)[key]
    return pruned


def masks(
    scores: Mapping[Group, torch.Tensor], plan: Plan, options: MaskOptions, norm: int = 1
) -> dict[Group, torch.Tensor]:
    """What is pruned, from the scores [out, in], higher = keep, of every group in the plan.

    `options` must name a scope or a pattern; `norm` is the criterion's, see `block_scores`.
    """
    if options.pattern is not None:
        return {key: pattern_mask(values, *kept_of(options.pattern)) for key, values in scores.items()}
    block = SINGLE if options.block is None else block_of(options.block)
    if options.scope not in POOLED:
        scope = options.scope or "group"
        return {key: removed(values, plan[key], scope, block, norm) for key, values in scores.items()}
    pruned: dict[Group, torch.Tensor] = {}
    for layer in sorted({layer for layer, _ in scores}) if options.scope == "layer" else [None]:
        pool = {key: values for key, values in scores.items() if layer in (None, key[0])}
        pruned |= pooled(pool, plan, block, norm, *bounds(options))
    return pruned


def removed(
    scores: torch.Tensor, level: float, scope: str, block: tuple[int, int] = SINGLE, norm: int = 1
) -> torch.Tensor:
    """The mask, bool [out, in], True = zero, that prunes the lowest scores of one matrix to a sparsity.

    Of the n weights compared exactly round(level · n) are pruned; among equal scores the first. With blocks
    of several weights, whole blocks are pruned and rows are rows of blocks; their weights come as near to
    level · n as blocks can.

    Parameters
    ----------
    scores
        [out, in], higher = keep.
    level
        The sparsity, 0..1.
    scope
        "row": the weights of each row are compared; "group": those of the whole matrix.
    block
        Rows and columns of a block.
    norm
        The criterion's, see `block_scores`.
    """
    by_block, sizes = block_scores(scores, block, norm)
    rows = 1 if scope == "group" else len(by_block)
    row_sizes = None if sizes is None else sizes.reshape(rows, -1)
    lowest = _lowest(by_block.reshape(rows, -1), level, row_sizes).reshape(by_block.shape)
    return spread(lowest, block, scores.shape)


def pooled(
    scores: Mapping[Group, torch.Tensor],
    plan: Plan,
    block: tuple[int, int],
    norm: int,
    floor: float,
    ceiling: float,
) -> dict[Group, torch.Tensor]:
    """One threshold over several groups, so that as many weights are pruned as their levels sum to.

    Parameters
    ----------
    scores
        [out, in] by group, higher = keep.
    plan
        The sparsity that each of these groups asks for, 0..1.
    block
        Rows and columns of a block.
    norm
        The criterion's, see `block_scores`.
    floor, ceiling
        Each group loses at least and at most these shares of its weights, 0..1, whatever the scores.

    Returns
    -------
    dict
        bool [out, in] by group, True = zero.

    Raises
    ------
    PruningError
        When floor and ceiling do not allow what the plan asks for.
    """
    total = sum(values.numel() for values in scores.values())
    level = sum(plan[key] * values.numel() for key, values in scores.items()) / total if total else 0.0
    if not floor <= level <= ceiling:
        raise PruningError(
            f"The plan removes {level:.3g} of the weights compared, which is not within every group's floor "
            f"{floor:g} and ceiling {ceiling:g}. Change the plan or the bounds."
        )
    flat, sizes = [], []
    for values in scores.values():
        bounded, size = _bounded(values, block, norm, floor, ceiling)
        flat.append(bounded)
        sizes.append(size)
    all_sizes = None if any(s is None for s in sizes) else torch.cat([s for s in sizes if s is not None], 1)
    lowest = _lowest(torch.cat(flat, 1), level, all_sizes).split([part.shape[1] for part in flat], dim=1)
    return {
        key: spread(part.reshape(_grid(values.shape, block)), block, values.shape)
        for (key, values), part in zip(scores.items(), lowest, strict=True)
    }


def _bounded(
    scores: torch.Tensor, block: tuple[int, int], norm: int, floor: float, ceiling: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The scores of a matrix's blocks [1, blocks], infinite where a bound decides already; their sizes."""
    by_block, sizes = block_scores(scores, block, norm)
    flat, flat_sizes = by_block.reshape(1, -1).clone(), None if sizes is None else sizes.reshape(1, -1)
    least, most = _lowest(flat, floor, flat_sizes), _lowest(flat, ceiling, flat_sizes)
    return flat.masked_fill(least, -torch.inf).masked_fill(~most, torch.inf), flat_sizes


def pattern_mask(scores: torch.Tensor, kept: int, of: int) -> torch.Tensor:
    """N:M: of every `of` consecutive inputs of an output keep the `kept` with the highest scores [out, in].

    Where the inputs do not divide, of those left over at the end `kept` are kept as well. The mask is
    bool [out, in], True = zero.
    """
    mask = torch.zeros_like(scores, dtype=torch.bool)
    divided = scores.shape[1] // of * of
    for part, into in (
        (scores[:, :divided].unflatten(1, (-1, of)), mask[:, :divided].unflatten(1, (-1, of))),
        (scores[:, divided:], mask[:, divided:]),
    ):
        count = part.shape[-1] - kept
        if part.numel() and count > 0:
            into.scatter_(-1, part.topk(count, dim=-1, largest=False).indices, True)
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


def spread(by_block: torch.Tensor, block: tuple[int, int], shape: torch.Size) -> torch.Tensor:
    """From blocks to weights: [block rows, block columns] to `shape`."""
    if block == SINGLE:
        return by_block
    return by_block.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)[: shape[0], : shape[1]]


def _grid(shape: torch.Size, block: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // block[0]), -(-shape[1] // block[1])


def _lowest(scores: torch.Tensor, level: float, sizes: torch.Tensor | None = None) -> torch.Tensor:
    """In each row of scores [m, n] the lowest that make up `level` of the row: bool [m, n].

    `sizes` [m, n] are the weights behind each score, one each where None; the first of equal scores count.
    """
    if sizes is not None:
        order = scores.argsort(dim=1, stable=True)
        ordered = sizes.gather(1, order)
        # A block is pruned when that brings the row nearer to its level.
        pruned = ordered.cumsum(1) - ordered / 2 < level * sizes.sum(1, keepdim=True)
        return torch.zeros_like(pruned).scatter_(1, order, pruned)
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
