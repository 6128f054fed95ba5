"""What pruning units of each layer is forecast to cost, once the kept ones compensate."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.units import COLUMN_KIND, Units
from pruning.engine.criteria.inputs import CriterionInputs
from pruning.engine.linalg.block_obs import Blocks, removal_order
from pruning.engine.linalg.least_squares import mean_product, shrunk_covariance
from pruning.progress import Progress, silent

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
