"""Cost curves of whole units: what pruning some of a layer's units is forecast to cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class UnitKind:
    """One kind of a model's units: neurons, heads or KV groups."""

    units: Units
    kind: str


def unit_cost_curves(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    removable: UnitKind,
    inputs: Known,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> dict[int, np.ndarray]:
    """What pruning 0, 1, 2, … units of a layer is forecast to cost when the kept columns are refitted.

    One sequential pass of the text through the dense model.

    Parameters
    ----------
    model, groups
        The dense model, which is not changed, and its groups.
    removable
        The units and the kind that is pruned.
    inputs
        Gives each group's mean g_i² [out].
    windows
        Token windows [n, length].

    Returns
    -------
    By layer, costs in nats per token [most units + 1], ascending.
    """
    units, kind = removable.units, removable.kind
    block = KIND_OF_COLUMNS[kind]
    outs = {group.layer: group.parts[0] for group in groups if group.kind == block}
    text = start_pass(model, windows)
    states, curves = text.states, {}
    layers = decoder_layers(model)
    for index, (_, layer) in enumerate(layers):
        watch = {block: model.get_submodule(outs[index].module)}
        states, recorded = step_layer(layer, index, text, states, watch)
        covariance = mean_product(recorded.given[block], recorded.given[block])
        covariance = shrunk_covariance(covariance, windows.numel())
        weight = weight_view(model, outs[index]).float()
        size = columns_in(units, index, kind)
        total = weight.shape[1] // size
        most = max(1, min(total - 1, round(MOST * total)))
        outputs = given(inputs((index, block)), "outputs")
        curves[index] = np.array([0.0, *removal_order(weight, covariance, outputs, most, size)[1]])
        progress(index + 1, len(layers), "Pricing units")
    return curves


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
