"""Structured pruning layer by layer: what is kept of each layer is refitted to compensate for its units."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part, weight_view
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.units import COLUMN_KIND
from pruning.engine.linalg.block_obs import Blocks, removal_order
from pruning.engine.linalg.least_squares import compensate_columns, mean_product, shrunk_covariance
from pruning.engine.masking.change import Saved, put_back
from pruning.engine.structured.scores import UnitScorer
from pruning.engine.structured.selection import UnitRemoval, evenly, lowest_units, removal_of
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

# In the order in which they act within a layer.
REFITTED = ("heads", "kv_groups", "neurons")


def refit_layerwise(
    scorer: UnitScorer,
    groups: Sequence[GroupInfo],
    counts: Mapping[Group, int],
    windows: torch.Tensor,
    progress: Progress = silent,
) -> UnitRemoval:
    """Prune units layer by layer, and refit attn_out or down of each layer that loses any.

    The refit is least squares on the inputs that attn_out or down gets from the layers before, which have
    lost their units already, so that it puts out what it would with all of its own.

    Parameters
    ----------
    scorer
        The dense model with its units, and what chooses among them. With the criterion fisher the pruned
        units are those whose removal costs least *after* the refit; any other chooses by its scores. The
        model's weights change *in place* on the way and are restored bit for bit at the end.
    groups
        The model's groups.
    counts
        How many units to prune, by (layer, kind of unit).
    windows
        Calibration tokens [n, length].
    progress
        Hears of every layer.

    Raises
    ------
    PruningError
        When the inputs of a layer are not finite, and for criterion inputs that nobody collected.
    """
    model = scorer.model
    outs = {group.key: group.parts[0] for group in groups if group.kind in COLUMN_KIND.values()}
    windows_pass = SequentialPass.start(model, windows)
    states = windows_pass.states
    pruned: dict[Group, tuple[int, ...]] = {}
    weights: dict[str, torch.Tensor] = {}
    saved: Saved = []
    total = len(windows_pass.layers)
    try:
        for index in range(total):
            for kind in (kind for kind in REFITTED if (index, kind) in counts):
                part = outs[index, COLUMN_KIND[kind]]
                watch = {part.module: model.get_submodule(part.module)}
                inputs = windows_pass.record(index, states, watch)[1].inputs[part.module]
                pruned[index, kind], weight = _refit(scorer, part, (index, kind), counts[index, kind], inputs)
                saved.append(_replace(model, part, weight))
                weights[part.module] = weight
            states = windows_pass.step(index, states)
            progress(index + 1, total, "Making up for what goes")
    finally:
        put_back(saved)
    return UnitRemoval(removal_of(scorer.units, pruned), weights)


def _replace(model: nn.Module, part: Part, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a part a new weight [out, in], *in place*; returns what restores it."""
    view = weight_view(model, part)
    before = view.clone()
    with torch.no_grad():
        view.copy_(weight)
    return view, before


def _refit(
    scorer: UnitScorer, part: Part, place: Group, count: int, inputs: Sequence[torch.Tensor]
) -> tuple[tuple[int, ...], torch.Tensor]:
    """The `count` pruned units of `place`, (layer, kind of unit), and the refitted weight [out, in].

    It is that of `part`, and `inputs` are what that is given, [tokens, in] a batch.
    """
    layer, kind = place
    weight = weight_view(scorer.model, part).float()
    covariance = shrunk_covariance(mean_product(inputs, inputs), sum(map(len, inputs)))
    size = scorer.units.columns_per_unit(layer, kind)
    if scorer.criterion.name == "fisher":
        outputs = scorer.inputs((layer, COLUMN_KIND[kind])).require("outputs")
        allowed = evenly(scorer.units.heads[layer], count) if kind == "heads" else None
        pruned = removal_order(weight, covariance, outputs, count, Blocks(size, allowed))[0]
    else:
        pruned = list(lowest_units(scorer, layer, kind, count))
    columns = [column for unit in pruned for column in range(unit * size, (unit + 1) * size)]
    return tuple(pruned), compensate_columns(weight, covariance, columns)
