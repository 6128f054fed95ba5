"""SparseGPT with error correction: kept weights also compensate for the error of the layers before."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.architecture.sequential import Recorded, SequentialPass, States
from pruning.engine.linalg.least_squares import corrected_target, mean_product, moments
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.change import Saved, WeightChange, put_back, put_weight
from pruning.engine.masking.sparsegpt import choice, part_rows
from pruning.planning.recipe.mask_options import MaskOptions, effective, scoped
from pruning.planning.recipe.plan import Group, Plan
from pruning.progress import Progress, silent

# Groups that are given the same inputs, in the order in which a layer uses them.
STAGES = (("qkv",), ("attn_out",), ("gate", "up"), ("down",))
RESIDUAL_KINDS = ("attn_out", "down")

# From a group, the weight [out, in] it should have and its inputs' mean x xᵀ [in, in] to the weight it gets,
# and its mask, True = zero.
Reconstruct = Callable[[GroupInfo, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class _Layer:
    """One decoder layer on its way: its linear modules by kind, the windows' states as they enter it in the
    dense and in the pruned model, what the dense layer's modules did, and whether it only adds to the states.
    """

    index: int
    linear: Mapping[str, nn.Module]
    dense: States
    pruned: States
    recorded: Recorded
    only_adds: bool


def sparsegpt_corrected(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    plan: Plan,
    windows: torch.Tensor,
    options: MaskOptions,
    progress: Progress = silent,
) -> WeightChange:
    """What SparseGPT with error correction makes of the groups in the plan.

    As `pruning.engine.masking.sparsegpt`, which has the parameters and references, with two differences. The
    windows go through the dense and the pruned model side by side, and before a group is pruned its weights
    are moved by ridge regression so that on the inputs they get in the pruned model they put out what the
    dense group does on its own; attn_out and down also take back by how much the residual stream has drifted
    until there. And within a layer each group sees the groups before it pruned.

    The model's weights change *in place* on the way and are restored bit for bit at the end.
    """
    levels = effective(plan, [group.key for group in groups], scoped(options, "group"))

    def prune(
        group: GroupInfo, target: torch.Tensor, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        choose, step = choice(levels[group.key], options, part_rows(model, group))
        return obs_prune(target, inputs, choose, step)

    return prune_sequentially(model, groups, levels, windows, prune, progress)


def prune_sequentially(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    targets: Collection[Group],
    windows: torch.Tensor,
    reconstruct: Reconstruct,
    progress: Progress,
) -> WeightChange:
    """What `reconstruct` makes of the `targets` among the groups, one after the other through the model.

    It is given each with the weight that compensates for the groups before it. `windows` are calibration
    tokens [n, length]. The model's weights change *in place* on the way and are restored at the end.
    """
    last = max((layer for layer, _ in targets), default=-1)
    masks: dict[Group, torch.Tensor] = {}
    weights: dict[Group, torch.Tensor] = {}
    saved: Saved = []
    windows_pass = SequentialPass.start(model, windows)
    dense = pruned = windows_pass.states
    try:
        for index in range(last + 1):
            in_layer = [group for group in groups if group.layer == index]
            stages = _stages(in_layer, targets)
            linear = {group.kind: model.get_submodule(group.parts[0].module) for group in in_layer}
            watch = {kind: linear[kind] for kind in {*RESIDUAL_KINDS, *(stage[0].kind for stage in stages)}}
            after, recorded = windows_pass.record(index, dense, watch)
            only_adds = _only_adds(dense, after, recorded)
            layer = _Layer(index, linear, dense, pruned, recorded, only_adds)
            for stage in stages:
                for group, weight, mask in _reconstruct_stage(model, layer, windows_pass, stage, reconstruct):
                    saved += put_weight(model, group, weight)
                    masks[group.key], weights[group.key] = mask, weight
            pruned = windows_pass.step(index, pruned) if saved else after
            dense = after
            progress(index + 1, last + 1, "Pruning layer by layer")
    finally:
        put_back(saved)
    return WeightChange(masks, weights)


def _reconstruct_stage(
    model: nn.Module,
    layer: _Layer,
    windows_pass: SequentialPass,
    stage: Sequence[GroupInfo],
    reconstruct: Reconstruct,
) -> list[tuple[GroupInfo, torch.Tensor, torch.Tensor]]:
    """Groups with the same inputs, each with its new weight and its mask; the model is not changed."""
    kind = stage[0].kind
    names = {kind} | ({"attn_out"} if kind == "down" else set())
    watch = {name: layer.linear[name] for name in names}
    recorded = windows_pass.record(layer.index, layer.pruned, watch, until=kind)[1]
    inputs, shifts = moments(layer.recorded.inputs[kind], recorded.inputs[kind])
    results = []
    for group in stage:
        weight = group_weight(model, group)
        missing = weight @ shifts + _drift(layer, recorded, group.kind)
        target = corrected_target(weight, inputs, missing)
        results.append((group, *reconstruct(group, target, inputs)))
    return results


def _stages(groups: Sequence[GroupInfo], targets: Collection[Group]) -> list[list[GroupInfo]]:
    """The groups of a layer that are among the targets, those with the same inputs together."""
    stages = [[group for group in groups if group.kind in kinds and group.key in targets] for kinds in STAGES]
    return [stage for stage in stages if stage]


def _drift(layer: _Layer, recorded: Recorded, kind: str) -> torch.Tensor | float:
    """Mean d x̂ᵀ [out, in], d being how far the dense residual stream is ahead before a group adds to it."""
    if kind not in RESIDUAL_KINDS or not layer.only_adds:
        return 0.0
    ahead = [(dense - now).flatten(0, -2) for dense, now in zip(layer.dense, layer.pruned, strict=True)]
    if kind == "down":
        attention = zip(layer.recorded.outputs["attn_out"], recorded.outputs["attn_out"], strict=True)
        ahead = [d + dense - now for d, (dense, now) in zip(ahead, attention, strict=True)]
    return mean_product(ahead, recorded.inputs[kind])


def _only_adds(states: States, after: States, recorded: Recorded) -> bool:
    """Whether the layer does nothing but add what attn_out and down put out to the residual stream."""
    expected = states[0].flatten(0, -2) + recorded.outputs["attn_out"][0] + recorded.outputs["down"][0]
    return same_values(after[0].flatten(0, -2), expected)
