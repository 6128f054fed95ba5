"""SparseGPT, corrected: what stays makes up for what goes, and for what the layers before got wrong."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers
from pruning.engine.architecture.sequential import (
    Recorded,
    SequentialPass,
    mean_product,
    start_pass,
    step_layer,
)
from pruning.engine.linalg.cholesky import lower_factor
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.change import WeightChange, put_back, put_weight
from pruning.engine.masking.masks import group_weight
from pruning.engine.masking.sparsegpt import choice, matrices
from pruning.planning.recipe.mask_options import MaskOptions, effective, scoped
from pruning.planning.recipe.plan import Group, Plan
from pruning.progress import Progress, silent

# Groups that are given the same inputs, in the order in which a layer uses them.
STAGES = (("qkv",), ("attn_out",), ("gate", "up"), ("down",))
OUTS = ("attn_out", "down")
PULL = 0.1
NOT_FINITE = "its weights cannot be updated. Load the model in float32, or choose the criterion sparsegpt."

States = list[torch.Tensor]
# Of a group, the weight [out, in] it should have and its inputs' mean x xᵀ: what it gets, and what goes.
Remake = Callable[[GroupInfo, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Saved = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class _Layer:
    """One decoder layer on its way: its linear modules by kind, the windows' states as they enter it, dense
    and pruned, what the dense layer did with them, and whether it only adds to them."""

    index: int
    module: nn.Module
    linear: Mapping[str, nn.Module]
    dense: States
    pruned: States
    before: Recorded
    adds_up: bool


def sparsegpt_corrected(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    plan: Plan,
    windows: torch.Tensor,
    options: MaskOptions,
    progress: Progress = silent,
) -> WeightChange:
    """What becomes of the groups in the plan; the model comes back dense.

    As `pruning.engine.masking.sparsegpt`, with two differences. Token `windows` [n, length] go through the
    dense and the pruned model side by side, and before a group is pruned its weights are moved by ridge
    regression so that on the inputs they get in the pruned model they put out what the dense group does on
    its own; attn_out and down also take back by how much the residual stream has drifted until there. And
    within a layer each group sees the groups before it pruned.
    """
    wanted = effective(plan, [(group.layer, group.kind) for group in groups], scoped(options, "group"))

    def remake(
        group: GroupInfo, target: torch.Tensor, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        choose, step = choice(wanted[group.layer, group.kind], options, matrices(model, group))
        return obs_prune(target, inputs, choose, step)

    return prune_sequentially(model, groups, wanted, windows, remake, progress)


def prune_sequentially(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    wanted: Collection[Group],
    windows: torch.Tensor,
    remake: Remake,
    progress: Progress,
) -> WeightChange:
    """What `remake` makes of the wanted groups, one after the other on their way through the model.

    Each is asked about with the weight that makes up for the groups before it; the model comes back dense.
    """
    last = max((layer for layer, _ in wanted), default=-1)
    change: tuple[dict[Group, torch.Tensor], dict[Group, torch.Tensor]] = {}, {}
    saved: Saved = []
    text = start_pass(model, windows)
    dense = pruned = text.states
    try:
        for index, (_, module) in enumerate(decoder_layers(model)[: last + 1]):
            own = [group for group in groups if group.layer == index]
            stages = _stages(own, wanted)
            linear = {group.kind: model.get_submodule(group.parts[0].module) for group in own}
            watch = {kind: linear[kind] for kind in {*OUTS, *(stage[0].kind for stage in stages)}}
            after, before = step_layer(module, index, text, dense, watch)
            layer = _Layer(index, module, linear, dense, pruned, before, _adds_up(dense, after, before))
            for stage in stages:
                for group, new, gone in _operate(model, layer, text, stage, remake):
                    saved += put_weight(model, group, new)
                    change[0][index, group.kind], change[1][index, group.kind] = gone, new
            pruned = step_layer(module, index, text, pruned, {})[0] if saved else after
            dense = after
            progress(index + 1, last + 1, "Pruning layer by layer")
    finally:
        put_back(saved)
    return WeightChange(*change)


def _operate(
    model: nn.Module,
    layer: _Layer,
    text: SequentialPass,
    stage: list[GroupInfo],
    remake: Remake,
) -> list[tuple[GroupInfo, torch.Tensor, torch.Tensor]]:
    """Groups with the same inputs, each with its new weight and what went; the model is not changed."""
    kind = stage[0].kind
    seen = {kind} | ({"attn_out"} if kind == "down" else set())
    watch = {name: layer.linear[name] for name in seen}
    now = step_layer(layer.module, layer.index, text, layer.pruned, watch, until=kind)[1]
    inputs, shifts = moments(layer.before.given[kind], now.given[kind])
    results = []
    for group in stage:
        weight = group_weight(model, group)
        target = corrected_target(weight, inputs, weight @ shifts + _drift(layer, now, group.kind))
        results.append((group, *remake(group, target, inputs)))
    return results


def _stages(own: Sequence[GroupInfo], wanted: Collection[Group]) -> list[list[GroupInfo]]:
    """The layer's groups that are in the plan, those with the same inputs together."""
    stages = [[group for group in own if group.kind in kinds] for kinds in STAGES]
    return [
        there
        for stage in stages
        if (there := [group for group in stage if (group.layer, group.kind) in wanted])
    ]


def moments(
    dense: Sequence[torch.Tensor], pruned: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean x̂ x̂ᵀ and mean (x − x̂) x̂ᵀ, both [in, in], of inputs x in the dense and x̂ in the pruned model."""
    inputs = mean_product(pruned, pruned)
    return inputs, mean_product(dense, pruned) - inputs


def corrected_target(weight: torch.Tensor, inputs: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """The weight [out, in] that makes up for mean d x̂ᵀ = `missing` [out, in], d being what is missing.

    It minimises the mean of ‖W x̂ + d − W' x̂‖² + λ ‖W' − W‖², λ being `PULL` times the mean diagonal of
    `inputs`: with few tokens a full correction would learn them by heart. Inputs that are all zero, as they
    are where everything before is gone, leave the weight as it is.
    """
    mean = float(inputs.diagonal().mean())
    lower = lower_factor(inputs, PULL * mean if mean > 0 else 1.0, NOT_FINITE)
    return weight + torch.cholesky_solve(missing.T.to(lower), lower).T.to(weight)


def _drift(layer: _Layer, now: Recorded, kind: str) -> torch.Tensor | float:
    """Mean d x̂ᵀ [out, in], d being how far the dense residual stream is ahead before a group adds to it."""
    if kind not in OUTS or not layer.adds_up:
        return 0.0
    ahead = [(one - other).flatten(0, -2) for one, other in zip(layer.dense, layer.pruned, strict=True)]
    if kind == "down":
        attention = zip(layer.before.put["attn_out"], now.put["attn_out"], strict=True)
        ahead = [d + one - other for d, (one, other) in zip(ahead, attention, strict=True)]
    return mean_product(ahead, now.given[kind])


def _adds_up(states: States, after: States, seen: Recorded) -> bool:
    """Whether the layer does nothing but add what attn_out and down put out to the residual stream."""
    expected = states[0].flatten(0, -2) + seen.put["attn_out"][0] + seen.put["down"][0]
    return torch.allclose(expected, after[0].flatten(0, -2), rtol=1e-2, atol=1e-2 * float(expected.std()))
