"""Units removed layer by layer, with what stays of each layer refitted to make up for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part, decoder_layers, weight_view
from pruning.engine.architecture.sequential import mean_product, start_pass, step_layer
from pruning.engine.architecture.units import Units
from pruning.engine.criteria import Criterion
from pruning.engine.criteria.inputs import given
from pruning.engine.linalg.least_squares import compensate_columns, removal_order, shrunk_covariance
from pruning.engine.masking.change import put_back
from pruning.engine.structured.selection import (
    KIND_OF_COLUMNS,
    Known,
    UnitRemoval,
    columns_in,
    evenly,
    lowest,
    removal_of,
)
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

# In the order in which they act within a layer.
FITTED = ("heads", "kv_groups", "neurons")


@dataclass(frozen=True)
class _Work:
    """What stays the same from layer to layer; `outs` are attn_out and down by (layer, kind)."""

    model: nn.Module
    units: Units
    outs: Mapping[Group, Part]
    criterion: Criterion
    known: Known


def refit_layerwise(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    units: Units,
    counts: Mapping[Group, int],
    criterion: Criterion,
    known: Known,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> UnitRemoval:
    """So many units of each (layer, kind) as `counts` says, and the refitted weights of attn_out and down.

    Token `windows` [n, length] go through the layers. Where a layer loses units, attn_out or down is refitted
    by least squares on the inputs it gets from the layers before, which have lost theirs, so that it puts out
    what it would with all its units. With the criterion fisher the units that go are those whose removal
    costs least *after* that; any other criterion chooses by its scores. The model comes back dense.
    """
    outs = {(g.layer, g.kind): g.parts[0] for g in groups if g.kind in KIND_OF_COLUMNS.values()}
    work = _Work(model, units, outs, criterion, known)
    text = start_pass(model, windows)
    states = text.states
    gone: dict[Group, tuple[int, ...]] = {}
    weights: dict[str, torch.Tensor] = {}
    saved: list[tuple[torch.Tensor, torch.Tensor]] = []
    layers = [layer for _, layer in decoder_layers(model)]
    try:
        for index, layer in enumerate(layers):
            for kind in (kind for kind in FITTED if (index, kind) in counts):
                part = outs[index, KIND_OF_COLUMNS[kind]]
                watch = {part.module: model.get_submodule(part.module)}
                seen = step_layer(layer, index, text, states, watch)[1].given[part.module]
                gone[index, kind], new = _fit_one(work, index, kind, counts[index, kind], seen)
                view = weight_view(model, part)
                saved.append((view, view.clone()))
                with torch.no_grad():
                    view.copy_(new)
                weights[part.module] = new
            states = step_layer(layer, index, text, states, {})[0]
            progress(index + 1, len(layers), "Making up for what goes")
    finally:
        put_back(saved)
    return UnitRemoval(removal_of(units, gone), weights)


def _fit_one(
    work: _Work, layer: int, kind: str, count: int, seen: Sequence[torch.Tensor]
) -> tuple[tuple[int, ...], torch.Tensor]:
    """The units that go from one layer, and the refitted weight [out, in]; `seen` are inputs [tokens, in]."""
    block = KIND_OF_COLUMNS[kind]
    weight = weight_view(work.model, work.outs[layer, block]).float()
    inputs = shrunk_covariance(mean_product(seen, seen), sum(map(len, seen)))
    size = columns_in(work.units, layer, kind)
    if work.criterion.name == "fisher":
        outputs = given(work.known((layer, block)), "outputs")
        allowed = evenly(work.units.heads[layer], count) if kind == "heads" else None
        gone = removal_order(weight, inputs, outputs, count, size, allowed)[0]
    else:
        gone = list(lowest(work.model, work.units, layer, kind, count, work.criterion, work.known))
    columns = [column for unit in gone for column in range(unit * size, (unit + 1) * size)]
    return tuple(gone), compensate_columns(weight, inputs, columns)
