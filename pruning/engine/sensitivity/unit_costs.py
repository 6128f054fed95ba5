"""How many units to take from each layer, so that a given share goes at the least forecast cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.units import COLUMN_KIND, Units
from pruning.engine.criteria.inputs import CriterionInputs
from pruning.engine.linalg.block_obs import Blocks, removal_order
from pruning.engine.linalg.least_squares import mean_product, shrunk_covariance
from pruning.errors import PruningError
from pruning.planning.allocation.allocate import cheapest
from pruning.planning.recipe.plan import MAX_LEVEL, Plan
from pruning.progress import Progress, silent

STEPS = 64
MOST = 0.7


def unit_cost_curves(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    units: Units,
    kind: str,
    known: CriterionInputs,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> dict[int, np.ndarray]:
    """For each layer what removing 0, 1, 2, … of its units is forecast to cost when what stays is refitted.

    In nats per token, [most units + 1]. One pass of token `windows` [n, length] through the dense model.
    """
    block = COLUMN_KIND[kind]
    outs = {group.layer: group.parts[0] for group in groups if group.kind == block}
    windows_pass = SequentialPass.start(model, windows)
    states, found = windows_pass.states, {}
    total_layers = len(windows_pass.layers)
    for index in range(total_layers):
        watch = {block: model.get_submodule(outs[index].module)}
        states, recorded = windows_pass.record(index, states, watch)
        given = recorded.inputs[block]
        inputs = shrunk_covariance(mean_product(given, given), windows.numel())
        weight = weight_view(model, outs[index]).float()
        size = units.columns_per_unit(index, kind)
        total = weight.shape[1] // size
        most = max(1, min(total - 1, round(MOST * total)))
        outputs = known((index, block)).require("outputs")
        found[index] = np.array([0.0, *removal_order(weight, inputs, outputs, most, Blocks(size))[1]])
        progress(index + 1, total_layers, "Pricing units")
    return found


def share_out(costs: Mapping[int, np.ndarray], totals: Mapping[int, int], kind: str, sparsity: float) -> Plan:
    """The plan that removes the share `sparsity` of all units at the least Σ cost.

    `totals` are units by layer; they go in steps of 1/64 of a layer's, one at least. Raises PruningError when
    that share cannot be reached.
    """
    if not 0.0 < sparsity <= MOST:
        raise PruningError(
            f"A share of {sparsity:g} of the {kind} cannot go: give one between 0 and {MOST:g}."
        )
    layers = sorted(costs)
    step = {layer: max(1, totals[layer] // STEPS) for layer in layers}
    length = min((len(costs[layer]) - 1) // step[layer] for layer in layers)
    table = np.stack([costs[layer][: length * step[layer] + 1 : step[layer]] for layer in layers])
    weights = np.array([step[layer] for layer in layers], dtype=float)
    wanted = sparsity * sum(totals[layer] for layer in layers) / weights.sum()
    chosen = cheapest(table, weights, wanted)
    levels = {layer: int(n) * step[layer] / totals[layer] for layer, n in zip(layers, chosen, strict=True)}
    return {(layer, kind): round(min(level, MAX_LEVEL), 6) for layer, level in levels.items() if level > 0}
