"""SparseGPT over a whole model: layer by layer, on inputs from the part that has been pruned already."""

from collections.abc import Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight, weight_shape
from pruning.engine.architecture.paging import scratch_of
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.spilled import group_tensors
from pruning.engine.linalg.least_squares import mean_product
from pruning.engine.linalg.obs import BLOCK, Choose, obs_prune
from pruning.engine.masking.change import Saved, WeightChange, put_back, put_weight
from pruning.engine.masking.masks import pattern_mask, removed, zeros_of
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import POOLED, MaskOptions, effective, kept_of, scoped
from pruning.planning.recipe.plan import Plan
from pruning.progress import Progress, silent


def sparsegpt(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    plan: Plan,
    windows: torch.Tensor,
    options: MaskOptions,
    progress: Progress = silent,
) -> WeightChange:
    """What SparseGPT makes of the groups in the plan.

    The windows go through the layers one by one. All groups of a layer are pruned on the inputs they get
    from the pruned layers before, and then the windows go through the pruned layer. Every block of 128
    inputs loses its level (N:M: every M inputs keep N).

    Parameters
    ----------
    model
        The dense model. Its weights change *in place* on the way and are restored bit for bit at the end.
    groups
        Its groups.
    plan
        The sparsity of each group, 0..0.95; the others stay dense.
    windows
        Calibration tokens [n, length].
    options
        A scope or pattern, protected layers and bounds, see `check`.
    progress
        Hears of every layer.

    Raises
    ------
    PruningError
        When the inputs of a layer are not finite.

    References
    ----------
    Frantar & Alistarh 2023, SparseGPT, arXiv 2301.00774.
    """
    levels = effective(plan, [group.key for group in groups], scoped(options, "group"))
    last = max((layer for layer, _ in levels), default=-1)
    pruned, weights = (group_tensors(scratch_of(model)) for _ in range(2))
    saved: Saved = []
    windows_pass = SequentialPass.start(model, windows)
    states = windows_pass.states
    try:
        for index in range(last + 1):
            in_plan = [group for group in groups if group.layer == index and group.key in levels]
            watch = {group.kind: model.get_submodule(group.parts[0].module) for group in in_plan}
            inputs = windows_pass.record(index, states, watch)[1].inputs if in_plan else {}
            for group in in_plan:
                weight, mask = _prune(model, group, inputs.pop(group.kind), levels[group.key], options)
                saved += put_weight(model, group, weight)
                weights[group.key], pruned[group.key] = weight, mask
            states = windows_pass.step(index, states)
            progress(index + 1, last + 1, "Pruning layer by layer")
    finally:
        put_back(saved)
    return WeightChange(pruned, weights)


def _prune(
    model: nn.Module, group: GroupInfo, inputs: Sequence[torch.Tensor], level: float, options: MaskOptions
) -> tuple[torch.Tensor, torch.Tensor]:
    """A group's new weight and its mask, from its inputs [tokens, in] batch after batch."""
    choose, step = choice(level, options, part_rows(model, group))
    weight = group_weight(model, group)
    return obs_prune(weight, mean_product(inputs, inputs), choose, step, held=zeros_of(weight))


def check(options: MaskOptions) -> None:
    """Raise PruningError for options that have no meaning while weights change."""
    if options.scope in POOLED:
        raise PruningError(
            f"SparseGPT prunes one group after the other, so that it has no scope {options.scope}. "
            "Use the scope row or group."
        )
    if options.block is not None:
        raise PruningError("SparseGPT removes single weights, or N of every M. Choose another criterion.")


def part_rows(model: nn.Module, group: GroupInfo) -> list[int]:
    """How many rows of the group's weight come from each of its parts; queries, keys and values are three."""
    return [weight_shape(model, part)[0] for part in group.parts]


def choice(level: float, options: MaskOptions, rows: list[int]) -> tuple[Choose, int]:
    """How weights are chosen from their scores, and from how many columns at a time: for `obs_prune`.

    Each part of a group, which have so many `rows`, gets the sparsity `level` (0..1) by itself: scores say
    how far outputs move, and outputs of queries and of values do not compare.
    """
    if options.pattern is not None:
        kept, of = kept_of(options.pattern)
        return lambda scores: pattern_mask(scores, kept, of), of
    scope = options.scope or "group"
    return lambda scores: torch.cat([removed(part, level, scope) for part in scores.split(rows)]), BLOCK
