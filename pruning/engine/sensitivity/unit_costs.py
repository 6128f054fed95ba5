"""How many units to take from each layer, so that a given share goes at the least forecast cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers, weight_view
from pruning.engine.architecture.sequential import mean_product, start_pass, step_layer
from pruning.engine.architecture.units import Units
from pruning.engine.criteria.inputs import given
from pruning.engine.linalg.least_squares import removal_order, shrunk_covariance
from pruning.engine.structured.selection import KIND_OF_COLUMNS, Known, columns_in
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
    known: Known,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> dict[int, np.ndarray]:
    """For each layer what removing 0, 1, 2, … of its units is forecast to cost when what stays is refitted.

    In nats per token, [most units + 1]. One pass of token `windows` [n, length] through the dense model.
    """
    block = KIND_OF_COLUMNS[kind]
    outs = {group.layer: group.parts[0] for group in groups if group.kind == block}
    text = start_pass(model, windows)
    states, found = text.states, {}
    layers = decoder_layers(model)
    for index, (_, layer) in enumerate(layers):
        watch = {block: model.get_submodule(outs[index].module)}
        states, seen = step_layer(layer, index, text, states, watch)
        inputs = shrunk_covariance(mean_product(seen.given[block], seen.given[block]), windows.numel())
        weight = weight_view(model, outs[index]).float()
        size = columns_in(units, index, kind)
        total = weight.shape[1] // size
        most = max(1, min(total - 1, round(MOST * total)))
        outputs = given(known((index, block)), "outputs")
        found[index] = np.array([0.0, *removal_order(weight, inputs, outputs, most, size)[1]])
        progress(index + 1, len(layers), "Pricing units")
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
