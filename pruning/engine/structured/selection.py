"""From a plan for neurons, heads, KV groups or layers to the units that go."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, Part, decoder_layers, weight_view
from pruning.engine.architecture.sequential import start_pass, step_layer
from pruning.engine.architecture.tracing import TRACE_TOKENS
from pruning.engine.architecture.units import Heads, Removal, Units, lost_columns, lost_rows
from pruning.engine.criteria import Criterion, GroupInputs
from pruning.engine.linalg.least_squares import Allowed
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.structured.scores import head_scores, neuron_scores
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group, Plan, units_gone

Known = Callable[[Group], GroupInputs]
# Units of one decoder layer that can be fitted: which module's columns go with them, and how many there are.
KIND_OF_COLUMNS = {"neurons": "down", "heads": "attn_out", "kv_groups": "attn_out"}


@dataclass(frozen=True)
class UnitRemoval:
    """The units that go, and new weights [out, in] by module where what stays makes up for them."""

    removal: Removal
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)


def wanted(units: Units, plan: Plan, round_to: int | None = None) -> dict[Group, int]:
    """How many units of each (layer, kind) the plan removes, see `units_gone`."""
    found: dict[Group, int] = {}
    for (layer, kind), level in plan.items():
        if kind in KIND_OF_COLUMNS:
            found[layer, kind] = units_gone(units.totals(kind)[layer], level, round_to)
    return {group: count for group, count in found.items() if count}


def choose(
    model: nn.Module, units: Units, counts: Mapping[Group, int], criterion: Criterion, known: Known
) -> Removal:
    """The units with the lowest scores, so many of each (layer, kind). The model must be dense."""
    return removal_of(
        units,
        {
            (layer, kind): lowest(model, units, layer, kind, count, criterion, known)
            for (layer, kind), count in counts.items()
        },
    )


def columns_in(units: Units, layer: int, kind: str) -> int:
    """How many columns of down or attn_out go with one unit."""
    if kind == "neurons":
        return 1
    heads = units.heads[layer]
    return heads.size * (len(heads.members(0)) if kind == "kv_groups" else 1)


def lowest(
    model: nn.Module, units: Units, layer: int, kind: str, count: int, criterion: Criterion, known: Known
) -> tuple[int, ...]:
    """The `count` units of one kind in one layer with the lowest scores."""
    evidence = known((layer, KIND_OF_COLUMNS[kind]))
    if kind == "neurons":
        scores = neuron_scores(model, units.neurons[layer], criterion, evidence)
        return tuple(scores.argsort()[:count].tolist())
    heads = units.heads[layer]
    scores = head_scores(model, heads, criterion, evidence)
    if kind == "kv_groups":
        members = [heads.members(group) for group in range(len(heads.keys_values))]
        return tuple(torch.stack([scores[own].sum() for own in members]).argsort()[:count].tolist())
    gone: list[int] = []
    allowed = evenly(heads, count)
    while len(gone) < count:
        gone.append(min((h for h in allowed(gone) if h not in gone), key=scores.tolist().__getitem__))
    return tuple(gone)


def first_of(units: Units, layer: int, kind: str, count: int) -> tuple[int, ...]:
    """As many units as could be chosen, without choosing: sizes depend on their number alone."""
    if kind != "heads":
        return tuple(range(count))
    gone: list[int] = []
    allowed = evenly(units.heads[layer], count)
    while len(gone) < count:
        gone.append(next(head for head in allowed(gone) if head not in gone))
    return tuple(gone)


def evenly(heads: Heads, count: int) -> Allowed:
    """Which heads may go next so that `count` of them come evenly from all KV groups, where that divides:
    only then the tensors can be made smaller. Where it does not divide any may go."""
    share, rest = divmod(count, len(heads.keys_values))

    def allowed(gone: list[int]) -> Sequence[int]:
        lost = [heads.group_of[head] for head in gone]
        return [h for h in range(heads.count) if rest or lost.count(heads.group_of[h]) < share]

    return allowed


def removal_of(units: Units, gone: Mapping[Group, Sequence[int]]) -> Removal:
    """Units by (layer, kind) as a Removal; KV groups become their heads."""
    heads: dict[int, tuple[int, ...]] = {}
    for (layer, kind), own in gone.items():
        if kind != "neurons":
            more = own if kind == "heads" else [h for group in own for h in units.heads[layer].members(group)]
            heads[layer] = tuple(sorted({*heads.get(layer, ()), *more}))
    return Removal(
        {layer: tuple(sorted(own)) for (layer, kind), own in gone.items() if kind == "neurons"}, heads
    )


def as_change(
    model: nn.Module, groups: Sequence[GroupInfo], units: Units, result: UnitRemoval
) -> WeightChange:
    """The same on the full-size model: zeros where units were, in every weight that goes with them.

    Of a layer that goes all weights become zero, and the biases of what it adds to the residual stream.
    """
    removal = result.removal
    rows, columns = lost_rows(units, removal), lost_columns(units, removal)
    removed: dict[Group, torch.Tensor] = {}
    weights: dict[Group, torch.Tensor] = {}
    biases: list[str] = []
    for group in groups:
        whole = group.layer in removal.layers
        parts = [_lost(model, part, rows, columns, whole) for part in group.parts]
        if any(bool(part.any()) for part in parts):
            removed[group.layer, group.kind] = torch.cat(parts)
        if group.kind in KIND_OF_COLUMNS.values():
            name = group.parts[0].module
            if whole and model.get_submodule(name).bias is not None:
                biases.append(name)
            elif name in result.weights:
                weights[group.layer, group.kind] = result.weights[name]
    return WeightChange(removed, weights, tuple(biases), removal)


def _lost(
    model: nn.Module,
    part: Part,
    rows: Mapping[str, Sequence[int]],
    columns: Mapping[str, Sequence[int]],
    whole: bool,
) -> torch.Tensor:
    """What a part of a group loses: bool [out, in]."""
    module = Part(part.module)
    mask = torch.full(weight_view(model, module).shape, whole, device=weight_view(model, module).device)
    mask[list(rows.get(part.module, ()))] = True
    mask[:, list(columns.get(part.module, ()))] = True
    return mask if part.rows is None else mask[slice(*part.rows)]


def check_passed_over(model: nn.Module, groups: Sequence[GroupInfo], change: WeightChange) -> None:
    """Raise PruningError unless layers that are all zeros leave the residual stream as it is."""
    layers = decoder_layers(model)
    text = start_pass(model, torch.arange(TRACE_TOKENS).unsqueeze(0))
    with applied_change(model, groups, change):
        for index in change.units.layers if change.units else ():
            after = step_layer(layers[index][1], index, text, text.states, {})[0]
            if not torch.allclose(after[0], text.states[0], rtol=1e-3, atol=1e-4):
                raise PruningError(
                    f"{layers[index][0]} does not only add to what passes through it, so a model of this "
                    "family cannot do without whole layers. Remove neurons or heads instead."
                )
