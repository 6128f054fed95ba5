"""From a plan for neurons, heads, KV groups or layers to the pruned units, and to zeros in their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.groups import GroupInfo, Part, decoder_layers, weight_shape
from pruning.engine.architecture.sequential import SequentialPass
from pruning.engine.architecture.tracing import TRACE_TOKENS
from pruning.engine.architecture.units import (
    COLUMN_KIND,
    Heads,
    Removal,
    Units,
    pruned_columns,
    pruned_rows,
)
from pruning.engine.linalg.block_obs import Allowed
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.structured.scores import UnitScorer
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group, Plan, units_gone


@dataclass(frozen=True)
class UnitRemoval:
    """The pruned units, and new weights [out, in] by module where the kept ones compensate for them."""

    removal: Removal
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)


def unit_counts(units: Units, plan: Plan, round_to: int | None = None) -> dict[Group, int]:
    """How many units of each (layer, kind) the plan prunes, see `units_gone`; those that lose none are left
    out, and so are whole layers. `round_to` is about neurons alone."""
    counts = {
        (layer, kind): units_gone(units.totals(kind)[layer], level, round_to if kind == "neurons" else None)
        for (layer, kind), level in plan.items()
        if kind in COLUMN_KIND
    }
    return {group: count for group, count in counts.items() if count}


def choose_units(scorer: UnitScorer, counts: Mapping[Group, int]) -> Removal:
    """The units with the lowest scores, so many of each (layer, kind)."""
    pruned = {
        (layer, kind): lowest_units(scorer, layer, kind, count) for (layer, kind), count in counts.items()
    }
    return removal_of(scorer.units, pruned)


def lowest_units(scorer: UnitScorer, layer: int, kind: str, count: int) -> tuple[int, ...]:
    """The `count` units of one kind in one layer with the lowest scores; heads evenly, see `evenly`."""
    scores = scorer.scores(layer, kind)
    if kind != "heads":
        return tuple(scores.argsort()[:count].tolist())
    pruned: list[int] = []
    values, allowed = scores.tolist(), evenly(scorer.units.heads[layer], count)
    while len(pruned) < count:
        pruned.append(min((h for h in allowed(pruned) if h not in pruned), key=values.__getitem__))
    return tuple(pruned)


def first_of(units: Units, layer: int, kind: str, count: int) -> tuple[int, ...]:
    """As many units as could be chosen, without choosing: sizes depend on their number alone."""
    if kind != "heads":
        return tuple(range(count))
    pruned: list[int] = []
    allowed = evenly(units.heads[layer], count)
    while len(pruned) < count:
        pruned.append(next(head for head in allowed(pruned) if head not in pruned))
    return tuple(pruned)


def evenly(heads: Heads, count: int) -> Allowed:
    """Which heads may be pruned next so that `count` of them come evenly from all KV groups, where that
    divides: only then the tensors can be made smaller. Where it does not divide any may be."""
    share, rest = divmod(count, heads.groups)

    def allowed(pruned: list[int]) -> Sequence[int]:
        groups = [heads.group_of[head] for head in pruned]
        return [h for h in range(heads.count) if rest or groups.count(heads.group_of[h]) < share]

    return allowed


def removal_of(units: Units, pruned: Mapping[Group, Sequence[int]]) -> Removal:
    """Units by (layer, kind) as a Removal; KV groups become their heads."""
    neurons: dict[int, tuple[int, ...]] = {}
    heads: dict[int, tuple[int, ...]] = {}
    for (layer, kind), numbers in pruned.items():
        if kind == "neurons":
            neurons[layer] = tuple(sorted(numbers))
            continue
        members = units.heads[layer].members
        more = numbers if kind == "heads" else [head for group in numbers for head in members(group)]
        heads[layer] = tuple(sorted({*heads.get(layer, ()), *more}))
    return Removal(neurons, heads)


def as_change(
    model: nn.Module, groups: Sequence[GroupInfo], units: Units, result: UnitRemoval
) -> WeightChange:
    """The removal as a change of the full-size model: zeros in every weight that belongs to a pruned unit.

    Of a pruned layer all weights become zero, and the biases of what it adds to the residual stream. The
    model is only read.
    """
    removal = result.removal
    rows, columns = pruned_rows(units, removal), pruned_columns(units, removal)
    removed: dict[Group, torch.Tensor] = {}
    weights: dict[Group, torch.Tensor] = {}
    biases: list[str] = []
    for group in groups:
        whole = group.layer in removal.layers
        masks = [_part_mask(model, part, rows, columns, whole) for part in group.parts]
        if any(bool(mask.any()) for mask in masks):
            removed[group.key] = torch.cat(masks)
        if group.kind in COLUMN_KIND.values():
            name = group.parts[0].module
            if whole and model.get_submodule(name).bias is not None:
                biases.append(name)
            elif name in result.weights:
                weights[group.key] = result.weights[name]
    return WeightChange(removed, weights, tuple(biases), removal)


def _part_mask(
    model: nn.Module,
    part: Part,
    rows: Mapping[str, Sequence[int]],
    columns: Mapping[str, Sequence[int]],
    whole: bool,
) -> torch.Tensor:
    """What is pruned of a part of a group, bool [out, in]; `rows` and `columns` are by module."""
    module = Part(part.module)
    mask = torch.full(weight_shape(model, module), whole, device=device_of(model))
    mask[list(rows.get(part.module, ()))] = True
    mask[:, list(columns.get(part.module, ()))] = True
    return mask if part.rows is None else mask[slice(*part.rows)]


def check_passed_over(model: nn.Module, groups: Sequence[GroupInfo], change: WeightChange) -> None:
    """Raise PruningError unless layers that are all zeros leave the residual stream as it is.

    The change is on the model *in place* while a few tokens go through it, and is restored.
    """
    trace = SequentialPass.start(model, torch.arange(TRACE_TOKENS).unsqueeze(0))
    with applied_change(model, groups, change):
        for index in change.units.layers if change.units else ():
            after = trace.step(index, trace.states)
            if not same_values(trace.states[0], after[0]):
                name, _ = decoder_layers(model)[index]
                raise PruningError(
                    f"{name} does not only add to what passes through it, so a model of this "
                    "family cannot do without whole layers. Remove neurons or heads instead."
                )
