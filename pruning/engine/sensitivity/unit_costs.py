"""Cost curves of whole units: what pruning some of a layer's units is forecast to cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, weight_view
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.units import COLUMN_KIND, Units
from pruning.engine.criteria import CriterionInputs
from pruning.engine.linalg.block_obs import Blocks, removal_order
from pruning.engine.linalg.least_squares import mean_product, shrunk_covariance
from pruning.progress import Progress, silent

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
    inputs: CriterionInputs,
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
    block = COLUMN_KIND[kind]
    outs = {group.layer: group.parts[0] for group in groups if group.kind == block}
    sequential = SequentialPass.start(model, windows)
    states, curves = sequential.states, {}
    for index in range(len(sequential.layers)):
        watch = {block: model.get_submodule(outs[index].module)}
        states, recorded = sequential.record(index, states, watch)
        given = recorded.inputs[block]
        covariance = shrunk_covariance(mean_product(given, given), windows.numel())
        weight = weight_view(model, outs[index]).float()
        size = units.columns_per_unit(index, kind)
        total = weight.shape[1] // size
        most = max(1, min(total - 1, round(MOST * total)))
        outputs = inputs((index, block)).require("outputs")
        order = removal_order(weight, covariance, outputs, most, Blocks(size))
        curves[index] = np.array([0.0, *order[1]])
        progress(index + 1, len(sequential.layers), "Pricing units")
    return curves
