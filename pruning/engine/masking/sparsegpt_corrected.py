"""SparseGPT with error correction: kept weights also compensate for the error of the layers before."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.architecture.paging import scratch_of
from pruning.engine.architecture.sequential import Recorded, SequentialPass, States
from pruning.engine.architecture.spilled import group_tensors
from pruning.engine.linalg.least_squares import corrected_target, mean_product, moments
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.change import Saved, WeightChange, put_back, put_weight
from pruning.engine.masking.masks import zeros_of
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
class DenseLayer:
    """What one decoder layer does in the dense model.

    Attributes
    ----------
    index
        Its number.
    linear
        Its linear modules by kind, the first of each.
    weights
        The dense weights [out, in] by kind.
    before, after
        The states of the calibration windows as they enter and leave it.
    recorded
        What its linear modules were given and put out.
    only_adds
        Whether the layer does nothing but add what attn_out and down put out to the residual stream.
    """

    index: int
    linear: Mapping[str, nn.Module]
    weights: Mapping[str, torch.Tensor]
    before: States
    after: States
    recorded: Recorded
    only_adds: bool

    @classmethod
    def of(
        cls,
        model: nn.Module,
        groups: Sequence[GroupInfo],
        windows_pass: SequentialPass,
        index: int,
        states: States,
        kinds: Collection[str],
    ) -> Self:
        """Run layer number `index` on `states` while its weights are dense; record the modules of `kinds`."""
        in_layer = [group for group in groups if group.layer == index]
        linear = {group.kind: model.get_submodule(group.parts[0].module) for group in in_layer}
        watch = {kind: linear[kind] for kind in {*RESIDUAL_KINDS, *kinds}}
        after, recorded = windows_pass.record(index, states, watch, outputs=RESIDUAL_KINDS)
        weights = {group.kind: group_weight(model, group) for group in in_layer if group.kind in kinds}
        only_adds = _only_adds(states, after, recorded)
        return cls(index, linear, weights, states, after, recorded, only_adds)


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
        return obs_prune(target, inputs, choose, step, held=zeros_of(group_weight(model, group)))

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
    masks, weights = (group_tensors(scratch_of(model)) for _ in range(2))
    saved: Saved = []
    windows_pass = SequentialPass.start(model, windows)
    dense = pruned = windows_pass.states
    try:
        for index in range(last + 1):
            stages = _stages([group for group in groups if group.layer == index], targets)
            kinds = {group.kind for stage in stages for group in stage}
            layer = DenseLayer.of(model, groups, windows_pass, index, dense, kinds)
            for stage in stages:
                for group, weight, mask in _reconstruct_stage(
                    model, layer, pruned, windows_pass, stage, reconstruct
                ):
                    saved += put_weight(model, group, weight)
                    masks[group.key], weights[group.key] = mask, weight
            pruned = windows_pass.step(index, pruned) if saved else layer.after
            dense = layer.after
            progress(index + 1, last + 1, "Pruning layer by layer")
    finally:
        put_back(saved)
    return WeightChange(masks, weights)


def _reconstruct_stage(
    model: nn.Module,
    layer: DenseLayer,
    states: States,
    windows_pass: SequentialPass,
    stage: Sequence[GroupInfo],
    reconstruct: Reconstruct,
) -> list[tuple[GroupInfo, torch.Tensor, torch.Tensor]]:
    """Groups with the same inputs, each with its new weight and its mask; the model is not changed.

    `states` enter the layer in the pruned model.
    """
    kind = stage[0].kind
    added = {"attn_out"} if kind == "down" else set()
    watch = {name: layer.linear[name] for name in {kind} | added}
    recorded = windows_pass.record(layer.index, states, watch, until=kind, outputs=added)[1]
    inputs, shifts = moments(layer.recorded.inputs[kind], recorded.inputs[kind])
    results = []
    for group in stage:
        weight = layer.weights[group.kind]
        target = corrected_target(
            weight, inputs, weight @ shifts + drift(layer, states, recorded, group.kind)
        )
        results.append((group, *reconstruct(group, target, inputs)))
    return results


def _stages(groups: Sequence[GroupInfo], targets: Collection[Group]) -> list[list[GroupInfo]]:
    """The groups of a layer that are among the targets, those with the same inputs together."""
    stages = [[group for group in groups if group.kind in kinds and group.key in targets] for kinds in STAGES]
    return [stage for stage in stages if stage]


def drift(layer: DenseLayer, states: States, recorded: Recorded, kind: str) -> torch.Tensor | float:
    """Mean d x̂ᵀ [out, in], d being how far the dense residual stream is ahead before a group adds to it.

    `states` enter the layer in the pruned model, and `recorded` is what its modules do there; 0 for kinds
    that do not add to the residual stream.
    """
    if kind not in RESIDUAL_KINDS or not layer.only_adds:
        return 0.0
    ahead = [(dense - now).flatten(0, -2) for dense, now in zip(layer.before, states, strict=True)]
    if kind == "down":
        attention = zip(layer.recorded.outputs["attn_out"], recorded.outputs["attn_out"], strict=True)
        ahead = [d + dense - now for d, (dense, now) in zip(ahead, attention, strict=True)]
    return mean_product(ahead, recorded.inputs[kind])


def _only_adds(states: States, after: States, recorded: Recorded) -> bool:
    """Whether the layer does nothing but add what attn_out and down put out to the residual stream."""
    expected = states[0].flatten(0, -2) + recorded.outputs["attn_out"][0] + recorded.outputs["down"][0]
    return same_values(after[0].flatten(0, -2), expected)
