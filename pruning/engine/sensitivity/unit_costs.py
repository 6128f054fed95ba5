"""What pruning more and more units of each layer is forecast to cost."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers, weight_view
from pruning.engine.architecture.sequential import mean_product, start_pass, step_layer
from pruning.engine.architecture.units import Units
from pruning.engine.criteria.inputs import given
from pruning.engine.linalg.least_squares import removal_order, shrunk_covariance
from pruning.engine.structured.selection import KIND_OF_COLUMNS, Known, columns_in
from pruning.progress import Progress, silent

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
