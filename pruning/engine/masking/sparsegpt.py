"""SparseGPT over a whole model: layer by layer, on inputs from the part that has been pruned already."""

from collections.abc import Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers, weight_view
from pruning.engine.architecture.sequential import mean_product, start_pass, step_layer
from pruning.engine.linalg.obs import BLOCK, Choose, obs_prune
from pruning.engine.masking.change import WeightChange, put_back, put_weight
from pruning.engine.masking.masks import group_weight, pattern_mask, removed
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
    """What SparseGPT (Frantar & Alistarh 2023) makes of the groups in the plan; the model comes back dense.

    Token `windows` [n, length] go through the layers one by one. All groups of a layer are pruned on the
    inputs they get from the pruned layers before, and then the windows go through the pruned layer. Every
    block of 128 inputs loses its level (N:M: every M inputs keep N).
    """
    wanted = effective(plan, [(group.layer, group.kind) for group in groups], scoped(options, "group"))
    last = max((layer for layer, _ in wanted), default=-1)
    gone, weights = {}, {}
    saved: list[tuple[torch.Tensor, torch.Tensor]] = []
    text = start_pass(model, windows)
    states = text.states
    try:
        for index, (_, layer) in enumerate(decoder_layers(model)[: last + 1]):
            own = [group for group in groups if group.layer == index and (index, group.kind) in wanted]
            watch = {group.kind: model.get_submodule(group.parts[0].module) for group in own}
            given = step_layer(layer, index, text, states, watch)[1].given if own else {}
            for group in own:
                key = (index, group.kind)
                inputs = given.pop(group.kind)
                choose, step = choice(wanted[key], options, matrices(model, group))
                weights[key], gone[key] = obs_prune(
                    group_weight(model, group), mean_product(inputs, inputs), choose, step
                )
                saved += put_weight(model, group, weights[key])
            states = step_layer(layer, index, text, states, {})[0]
            progress(index + 1, last + 1, "Pruning layer by layer")
    finally:
        put_back(saved)
    return WeightChange(gone, weights)


def check(options: MaskOptions) -> None:
    """Raise PruningError for options that have no meaning while weights change."""
    if options.scope in POOLED:
        raise PruningError(
            f"SparseGPT prunes one group after the other, so that it has no scope {options.scope}. "
            "Use the scope row or group."
        )
    if options.block is not None:
        raise PruningError("SparseGPT removes single weights, or N of every M. Choose another criterion.")


def matrices(model: nn.Module, group: GroupInfo) -> list[int]:
    """How many rows of the group's weight come from each of its modules (queries, keys and values are three
    matrices of one group)."""
    return [len(weight_view(model, part)) for part in group.parts]


def choice(level: float, options: MaskOptions, rows: list[int]) -> tuple[Choose, int]:
    """How weights are chosen from their scores, and from how many columns at a time.

    Each matrix of a group, which have so many `rows`, loses the level by itself: the scores say how far
    outputs move, and outputs of queries and of values do not compare.
    """
    if options.pattern is not None:
        kept, of = kept_of(options.pattern)
        return lambda scores: pattern_mask(scores, kept, of), of
    scope = options.scope or "group"
    return lambda scores: torch.cat([removed(own, level, scope) for own in scores.split(rows)]), BLOCK
