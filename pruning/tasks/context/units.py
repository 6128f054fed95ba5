"""What a spec that prunes whole units does to the dense model."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.units import COLUMN_KIND, Removal, Units, find_units
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import cut_sizes, dense_bytes, sparse_bytes
from pruning.engine.masking.change import WeightChange
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.masking.sparsegpt import check
from pruning.engine.structured.kept_weights import WeightPruning
from pruning.engine.structured.layerwise import LayerwisePlan, prune_layerwise
from pruning.engine.structured.scores import UnitScorer
from pruning.engine.structured.selection import (
    UnitRemoval,
    as_change,
    check_passed_over,
    choose_units,
    first_of,
    removal_of,
    unit_counts,
)
from pruning.engine.structured.surgery import check_even_count, form_of
from pruning.errors import PruningError
from pruning.planning.exports.families import family_key
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.targets import Wanted, check_writable
from pruning.planning.recipe.mask_options import MIXED, effective, scoped
from pruning.planning.recipe.mix import check_one_left
from pruning.planning.recipe.plan import KINDS, LAYERS, UNIT_KINDS, Group, Plan
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session

UNIT_CRITERION = "fisher"


def units_of(session: Session, *kinds: str) -> Units:
    """The model's units, heads among them where one of the kinds is about heads."""
    return find_units(session.model, session.groups, heads=bool({"heads", "kv_groups"} & set(kinds)))


def spec_units(session: Session, spec: PruningSpec) -> Units:
    """The model's units, with what the plan of `spec` takes of them."""
    return units_of(session, *(kind for _, kind in session.plan(spec.settings)))


def check_units(session: Session, spec: PruningSpec) -> None:
    """Raise PruningError for what cannot be done of a spec in which whole units go."""
    criterion, plan = named_criterion(spec.criterion), units_plan(session, spec)
    weights = {group: level for group, level in plan.items() if group[1] in KINDS}
    if not weights:
        if criterion.updates:
            units = spec.options.structure
            raise PruningError(
                f"{spec.criterion} changes single weights and cannot choose {units}. Use fisher."
            )
        return
    options = scoped(spec.options, criterion.scope)
    if criterion.updates:
        check(options)


def units_plan(session: Session, spec: PruningSpec) -> Plan:
    """The plan of a spec in which whole units go. Raises PruningError for what cannot be done."""
    plan = effective(session.plan(spec.settings), session.every_group, spec.options)
    layers = {layer for layer, _ in session.plan_groups()}
    if {layer for layer, kind in plan if kind == LAYERS} == layers:
        raise PruningError("All layers would go. Keep one at least.")
    units = units_of(session, *(kind for _, kind in plan))
    for layer, kind in plan:
        if kind in COLUMN_KIND:
            check_one_left(plan[layer, kind], units.totals(kind)[layer], layer, kind)
    return plan


def check_exportable(
    session: Session, spec: PruningSpec, to: str = "hf", masked: bool = False, trained: bool = False
) -> None:
    """Raise PruningError, saying why, where what `spec` leaves cannot be written in a form.

    `to`: the form, see `pruning.planning.exports.targets`. `masked`: units are zeros in full-size tensors.
    `trained`: what is left is trained.
    """
    units = spec_units(session, spec)
    facts = model_facts(session, units)
    plan = session.plan(spec.settings)
    check_writable(to, Wanted(facts, plan, spec.options, spec.criterion, trained, masked))
    if to in ("hf", "compact") and facts.known is None and spec.options.whole and not masked:
        # Of a family that the rules do not know transformers itself is asked.
        form_of(session.model, units, planned_removal(session, spec))


def planned_removal(session: Session, spec: PruningSpec) -> Removal:
    """As many units as `spec` prunes, whichever: what a smaller model's shapes are known from.

    Raises PruningError for heads that may not come evenly from their KV groups.
    """
    return _any_removal(session, spec_units(session, spec), spec, even=True)


def model_facts(session: Session, units: Units) -> ModelFacts:
    """What the writers must know of the model, with as many of its units as were looked for."""
    kinds = ("neurons", "heads", "kv_groups") if units.heads else ("neurons",)
    return ModelFacts(
        family_key(type(session.model).__name__),
        session.model.config.get_text_config().hidden_size,
        len(units.layers),
        {kind: units.totals(kind) for kind in kinds},
        gated=any(group.kind == "gate" for group in session.groups),
        tied=session.model.get_output_embeddings().weight is session.model.get_input_embeddings().weight,
    )


def why_not_smaller(session: Session, spec: PruningSpec) -> str | None:
    """Why what `spec` leaves can only be written full-size with zeros; None where it can be smaller."""
    try:
        check_exportable(session, spec)
    except PruningError as error:
        return str(error)
    return None


def writable_counts(session: Session, kind: str) -> list[int]:
    """How many heads or KV groups every layer may lose, ascending, so that a smaller model can be written.

    Empty where the family has no configuration for fewer of them, and where layers have different numbers.
    """
    model, units = session.model, units_of(session, kind)
    totals = units.totals(kind)
    if len(set(totals.values())) != 1:
        return []
    counts = []
    for count in range(1, next(iter(totals.values()))):
        with suppress(PruningError):
            removal = _first_removal(units, {(n, kind): count for n in totals}, even=True)
            form_of(model, units, removal)
            counts.append(count)
    return counts


def sizes(
    session: Session, spec: PruningSpec, change: WeightChange, width: int | None = None
) -> dict[str, int]:
    """Bytes of the weights: `file_bytes` as an ordinary export writes them, `bytes` as a compact one does.

    `width` is the bytes of one weight, by default as in the checkpoint. Where whole units are pruned, `bytes`
    are those of the tensors with the units cut out; an ordinary export writes the same, or full-size with
    zeros where the family has no configuration for the smaller.
    """
    model, width = session.model, width or session.loaded.weight_bytes
    if not spec.options.whole:
        return {"bytes": sparse_bytes(model, change.removed, width), "file_bytes": dense_bytes(model, width)}
    cut = cut_sizes(model, change.removed, gone_units(session, change), width)
    norms = width * _norm_weights(session, change.units.layers if change.units else ())
    compact, ordinary = cut.compact - norms, cut.ordinary - norms
    if why_not_smaller(session, spec) is not None:
        ordinary = dense_bytes(model, width)
        if spec.options.structure == MIXED:
            compact = sparse_bytes(model, change.removed, width)
    return {"bytes": compact, "file_bytes": ordinary}


def _norm_weights(session: Session, layers: Sequence[int]) -> int:
    """How many numbers these layers hold besides the weights of their groups: norms and biases."""
    modules = decoder_layers(session.model)
    weights = sum(group.parameters for group in session.groups if group.layer in layers)
    whole = sum(p.numel() for layer in layers for p in modules[layer][1].parameters())
    return whole - weights


def gone_units(session: Session, change: WeightChange) -> dict[Group, torch.Tensor]:
    """What is pruned of each group with whole units, bool [out, in]: rows, columns and layers that go."""
    if change.units is None:
        return {}
    units = find_units(session.model, session.groups, heads=bool(change.units.heads))
    return dict(as_change(session.model, session.groups, units, UnitRemoval(change.units)).removed)


def share_pruned(session: Session, spec: PruningSpec) -> float:
    """The share of all prunable weights, 0..1, that is pruned, units and weights, without choosing any."""
    units, plan = spec_units(session, spec), units_plan(session, spec)
    removal = _any_removal(session, units, spec)
    gone = as_change(session.model, session.groups, units, UnitRemoval(removal)).removed
    pruned = 0.0
    for group in session.groups:
        with_units = int(gone[group.key].sum()) if group.key in gone else 0
        pruned += with_units + plan.get(group.key, 0.0) * (group.parameters - with_units)
    return pruned / sum(group.parameters for group in session.groups)


def kept_units(session: Session, spec: PruningSpec) -> dict[str, list[int]]:
    """How many units are kept in each layer, after rounding, for each kind of unit in the plan."""
    plan, kept = units_plan(session, spec), {}
    layers = sorted({layer for layer, _ in session.plan_groups()})
    units = spec_units(session, spec)
    pruned = unit_counts(units, plan, spec.options.round_to)
    for kind in (kind for kind in UNIT_KINDS if any(kind == other for _, other in plan)):
        if kind == LAYERS:
            kept[kind] = [int((layer, kind) not in plan) for layer in layers]
            continue
        totals = units.totals(kind)
        kept[kind] = [
            0 if (layer, LAYERS) in plan else totals[layer] - pruned.get((layer, kind), 0) for layer in layers
        ]
    return kept


def _any_removal(session: Session, units: Units, spec: PruningSpec, even: bool = False) -> Removal:
    """As many units as `spec` prunes; which ones changes no sizes. `even`: see `_first_removal`."""
    plan = units_plan(session, spec)
    removal = _first_removal(units, unit_counts(units, plan, spec.options.round_to), even)
    return replace(removal, layers=tuple(layer for layer, kind in plan if kind == "layers"))


def _first_removal(units: Units, counts: Mapping[Group, int], even: bool) -> Removal:
    """So many units of each (layer, kind). With `even` PruningError for heads that may not come evenly."""
    for (layer, kind), count in counts.items():
        if even and kind == "heads":
            check_even_count(layer, units.heads[layer], count)
    return removal_of(units, {group: first_of(units, *group, count) for group, count in counts.items()})


def units_change(session: Session, spec: PruningSpec) -> WeightChange:
    """What `spec` does to the full-size model."""
    model, groups, options = session.model, session.groups, spec.options
    plan, units = units_plan(session, spec), spec_units(session, spec)
    dropped = tuple(layer for layer, kind in sorted(plan) if kind == LAYERS)
    if dropped:
        session.stage("choose", "Passing over layers")
        change = as_change(model, groups, units, UnitRemoval(Removal(layers=dropped)))
        check_passed_over(model, groups, change)
    counts = unit_counts(units, plan, options.round_to)
    levels = {group: level for group, level in plan.items() if group[1] in KINDS}
    criterion = named_criterion(spec.criterion)
    # What updates weights scores none by itself: units are chosen as their own kind of map prices them.
    chooser = named_criterion(UNIT_CRITERION) if criterion.updates else criterion
    scorer = UnitScorer(model, units, chooser, session.inputs_for(chooser) if counts else criterion_inputs())
    if not levels and not (counts and options.compensate):
        session.stage("choose", "Choosing what to remove")
        removal = replace(choose_units(scorer, counts), layers=dropped)
        return as_change(model, groups, units, UnitRemoval(removal))
    weights = None
    if levels:
        inputs = criterion_inputs() if criterion.updates else session.inputs_for(criterion)
        weights = WeightPruning(levels, criterion, inputs, scoped(options, criterion.scope))
    windows = session.fitting_windows
    heard = session.stage("layerwise" if levels else "refit", "Pruning layer by layer")
    layerwise = LayerwisePlan(counts, dropped, options.compensate, weights)
    return prune_layerwise(scorer, groups, layerwise, windows, heard)
