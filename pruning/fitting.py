"""Units removed layer by layer, with what stays refitted to make up for them and for the layers before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.changes import put_back
from pruning.compensate import order, refit, shrunk
from pruning.criteria import Criterion
from pruning.criteria.evidence import given
from pruning.groups import GroupInfo, Part, decoder_layers, weight_view
from pruning.plan import Group
from pruning.progress import Progress, silent
from pruning.streams import Seen, enter, through
from pruning.structured import KIND_OF_COLUMNS, Known, Result, columns_in, evenly, lowest, removal_of
from pruning.units import Units

# In the order in which they act within a layer.
FITTED = ("heads", "kv_groups", "neurons")
WATCHED = ("attn_out", "down")


@dataclass(frozen=True)
class _Task:
    """What stays the same from layer to layer."""

    model: nn.Module
    units: Units
    outs: dict[Group, Part]
    criterion: Criterion
    known: Known


def fit(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    units: Units,
    counts: Mapping[Group, int],
    criterion: Criterion,
    known: Known,
    windows: torch.Tensor,
    progress: Progress = silent,
) -> Result:
    """So many units of each (layer, kind) as `counts` says, and the refitted weights of attn_out and down.

    Token `windows` [n, length] go through the model twice side by side, dense and with what has been removed
    so far. Where a layer loses units, attn_out or down is refitted by least squares on the inputs it gets in
    the second, so that it puts out what it would with all units, and takes back the drift between the two.
    With the criterion fisher, the units that go are those whose removal costs least *after* that; any other
    criterion chooses by its scores. The model must be dense, and is dense again afterwards.
    """
    task = _Task(
        model, units, {(g.layer, g.kind): g.parts[0] for g in groups if g.kind in WATCHED}, criterion, known
    )
    text = enter(model, windows)
    dense = changed = text.states
    gone: dict[Group, tuple[int, ...]] = {}
    weights: dict[str, torch.Tensor] = {}
    saved: list[tuple[torch.Tensor, torch.Tensor]] = []
    layers = [layer for _, layer in decoder_layers(model)]
    try:
        for index, layer in enumerate(layers):
            watch = {kind: model.get_submodule(task.outs[index, kind].module) for kind in WATCHED}
            after, before = through(layer, index, text, dense, watch)
            additive = _adds_up(dense, after, before)
            for kind in (kind for kind in FITTED if (index, kind) in counts):
                now = (
                    before
                    if changed is dense and not saved
                    else through(layer, index, text, changed, watch)[1]
                )
                part = task.outs[index, KIND_OF_COLUMNS[kind]]
                drift = _drift(KIND_OF_COLUMNS[kind], dense, changed, before, now) if additive else None
                gone[index, kind], weights[part.module] = _fit_one(
                    task, index, kind, counts[index, kind], now, drift
                )
                view = weight_view(model, part)
                saved.append((view, view.clone()))
                with torch.no_grad():
                    view.copy_(weights[part.module])
            changed = through(layer, index, text, changed, {})[0] if saved else after
            dense = after
            progress(index + 1, len(layers), "Making up for what goes")
    finally:
        put_back(saved)
    return Result(removal_of(units, gone), weights)


def _fit_one(
    task: _Task, layer: int, kind: str, count: int, now: Seen, drift: list[torch.Tensor] | None
) -> tuple[tuple[int, ...], torch.Tensor]:
    """The units of one kind that go from one layer, and the refitted weight [out, in]."""
    block = KIND_OF_COLUMNS[kind]
    weight = weight_view(task.model, task.outs[layer, block]).float()
    inputs = shrunk(_mean_product(now.given[block], now.given[block]))
    moved = None if drift is None else _mean_product(drift, now.given[block])
    size = columns_in(task.units, layer, kind)
    if task.criterion.name == "fisher":
        outputs = given(task.known((layer, block)), "outputs")
        allowed = evenly(task.units.heads[layer], count) if kind == "heads" else None
        gone = order(weight, inputs, outputs, count, size, allowed)[0]
    else:
        gone = list(lowest(task.model, task.units, layer, kind, count, task.criterion, task.known))
    columns = [column for unit in gone for column in range(unit * size, (unit + 1) * size)]
    return tuple(gone), refit(weight, inputs, columns, moved)


def _mean_product(left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over tokens of l rᵀ [left, right], of batches [tokens, left] and [tokens, right]."""
    total = torch.zeros(left[0].shape[1], right[0].shape[1], device=left[0].device)
    for one, other in zip(left, right, strict=True):
        total += one.float().T @ other.float()
    return total / sum(len(batch) for batch in left)


def _drift(
    block: str, dense: list[torch.Tensor], changed: list[torch.Tensor], before: Seen, now: Seen
) -> list[torch.Tensor] | None:
    """By how much the dense states are ahead after attn_out, or after down: [tokens, hidden] by batch."""
    if changed is dense and before is now:
        return None
    drifts = []
    for at, (one, other) in enumerate(zip(dense, changed, strict=True)):
        ahead = (one - other).flatten(0, -2) + before.put["attn_out"][at] - now.put["attn_out"][at]
        if block == "down":
            ahead = ahead + before.put["down"][at] - now.put["down"][at]
        drifts.append(ahead)
    return drifts


def _adds_up(states: list[torch.Tensor], after: list[torch.Tensor], seen: Seen) -> bool:
    """Whether the layer does nothing but add what attn_out and down put out to the residual stream."""
    expected = states[0].flatten(0, -2) + seen.put["attn_out"][0] + seen.put["down"][0]
    return torch.allclose(expected, after[0].flatten(0, -2), rtol=1e-2, atol=1e-2 * float(expected.std()))
