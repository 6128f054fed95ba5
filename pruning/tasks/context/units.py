"""What a spec that prunes whole units does to the dense model."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from pruning.engine.architecture.units import Removal, Units, find_units
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import cut_bytes, dense_bytes, sparse_bytes
from pruning.engine.masking.change import WeightChange
from pruning.engine.structured.layerwise_refit import refit_layerwise
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
from pruning.engine.structured.surgery import check_describable, check_even_count
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import effective
from pruning.planning.recipe.plan import Group, Plan
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session


def units_of(session: Session, structure: str) -> Units:
    """The model's units, heads among them where the structure is about heads."""
    return find_units(session.model, session.groups, heads=structure in ("heads", "kv_groups"))


def units_plan(session: Session, spec: PruningSpec) -> Plan:
    """The plan of a spec that prunes whole units. Raises PruningError for what cannot be done."""
    structure = spec.options.structure
    groups = session.plan_groups(structure)
    if named_criterion(spec.criterion).updates:
        raise PruningError(
            f"{spec.criterion} changes single weights and cannot choose {structure}. Use fisher."
        )
    plan = effective(session.plan(spec.settings, structure), groups, spec.options)
    if structure == "layers" and len(plan) == len(groups):
        raise PruningError("All layers would go. Keep one at least.")
    return plan


def check_exportable(session: Session, spec: PruningSpec) -> None:
    """Raise PruningError, saying why, where what `spec` leaves cannot be written as a smaller model."""
    units = units_of(session, spec.options.structure)
    check_describable(session.model, units, _any_removal(session, units, spec, even=True))


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
            check_describable(model, units, removal)
            counts.append(count)
    return counts


def sizes(session: Session, spec: PruningSpec, change: WeightChange) -> dict[str, int]:
    """Bytes of the weights: `file_bytes` as an ordinary export writes them, `bytes` as a compact one does.

    Where whole units are pruned, `bytes` are those of the tensors with the units cut out; an ordinary export
    writes the same, or full-size with zeros where the family has no configuration for the smaller.
    """
    model = session.model
    if not spec.options.whole:
        return {"bytes": sparse_bytes(model, change.removed), "file_bytes": dense_bytes(model)}
    cut = cut_bytes(model, change.removed)
    full_size = why_not_smaller(session, spec) is not None
    return {"bytes": cut, "file_bytes": dense_bytes(model) if full_size else cut}


def share_pruned(session: Session, spec: PruningSpec) -> float:
    """The share of all prunable weights, 0..1, that is pruned with the units, without choosing them."""
    units = units_of(session, spec.options.structure)
    removal = _any_removal(session, units, spec)
    change = as_change(session.model, session.groups, units, UnitRemoval(removal))
    pruned = sum(int(mask.sum()) for mask in change.removed.values())
    return pruned / sum(group.parameters for group in session.groups)


def kept_units(session: Session, spec: PruningSpec) -> list[int]:
    """How many units are kept in each layer, after rounding."""
    plan, structure = units_plan(session, spec), spec.options.structure
    if structure == "layers":
        return [int((layer, structure) not in plan) for layer, _ in session.plan_groups(structure)]
    units = units_of(session, structure)
    pruned = unit_counts(units, plan, spec.options.round_to)
    return [
        total - pruned.get((layer, structure), 0) for layer, total in sorted(units.totals(structure).items())
    ]


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
    plan, units = units_plan(session, spec), units_of(session, options.structure)
    if options.structure == "layers":
        session.stage("choose", "Passing over layers")
        dropped = Removal(layers=tuple(layer for layer, _ in plan))
        change = as_change(model, groups, units, UnitRemoval(dropped))
        check_passed_over(model, groups, change)
        return change
    criterion = named_criterion(spec.criterion)
    scorer = UnitScorer(model, units, criterion, session.inputs_for(criterion))
    counts = unit_counts(units, plan, options.round_to)
    if options.compensate:
        windows = session.fitting_windows
        heard = session.stage("refit", "Fitting what is kept")
        result = refit_layerwise(scorer, groups, counts, windows, heard)
    else:
        session.stage("choose", "Choosing what to remove")
        result = UnitRemoval(choose_units(scorer, counts))
    return as_change(model, groups, units, result)
