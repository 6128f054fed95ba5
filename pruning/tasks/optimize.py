"""The task that finds the best plan for what is wanted, and what it chooses from where units go whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pruning.engine.criteria import CRITERIA
from pruning.errors import PruningError
from pruning.planning.allocation import solver
from pruning.planning.allocation.choices import Bounds, ChoiceTable, unit_choices, with_fit, with_latency
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.plan_request import (
    Answer,
    Constraints,
    capability_weights,
    solve_mix,
    solve_on_map,
)
from pruning.planning.allocation.targets import SPEED, Target, parse_target
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import parts_of
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.predict import costs_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT, MIXED
from pruning.tasks.capabilities import capabilities
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.inspect import inspect_model
from pruning.tasks.latency import latency
from pruning.tasks.sensitivity import PRICED_BY, map_for
from pruning.workspace import results

UNITS = ("neurons", "heads", "kv_groups")
# The most of a layer's units that the solver takes: what the rest costs nobody has held against the truth.
MOST = 0.7


def solve(
    session: Session,
    targets: Sequence[str],
    criterion: str = PRICED_BY,
    structure: str = DEFAULT.structure,
    constraints: Constraints | Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Find the plan of least forecast damage that meets every target; exact to levels of 0.01.

    What the forecast goes by is taken from the workspace, or made now: the map, for `values` what
    capabilities lean on, for a target of speed the times on this machine.

    Parameters
    ----------
    session
        The model, and the text that the damage is forecast on.
    targets
        Such as `["sparsity=0.5"]`, or the most of parameters, bytes, kl or perplexity; of whole units also
        of file_bytes or memory, or `speedup=1.4`, `decode_speedup=1.4`. They hold together. With kl or
        perplexity as much is pruned as they allow.
    criterion
        How weights are scored.
    structure
        `unstructured`, `neurons`, `heads`, `kv_groups`, or `mixed`: single weights and all kinds of unit
        together, whole layers among them.
    constraints
        What is held fast; a request has its fields as plain data.
    values
        What matters more than the rest: at 1 what a capability is forecast to lose counts as much as the
        drift on ordinary text. For single weights only.

    Returns
    -------
    dict
        The plan as `recipe` and in `settings`; its `sparsity`, forecast `kl` (nats per token) from `kl_low`
        to `kl_high`, `parameters` and `bytes` that remain, and `gap_to_bound`, how far it may be from the
        best. Of a mixed plan also `memory`, `speedup`, `decode_speedup`, a forecast if `timed`, or estimates.

    Raises
    ------
    Infeasible
        With the nearest that is possible, where the targets cannot be met.
    """
    criterion = canonical_criterion(criterion)
    check_structure(structure, criterion)
    goals, weights = [parse_target(target) for target in targets], capability_weights(values or {}, structure)
    held = constraints if isinstance(constraints, Constraints) else Constraints(**(constraints or {}))
    if structure == MIXED:
        answer = _solve_mix(session, criterion, goals, held)
    elif structure == DEFAULT.structure:
        bounds = held.bounds(session.plan_groups())
        smap = map_for(session, criterion).of_weights
        forecaster = results.forecaster(session.store, smap, criterion)
        capability_map = _capability_map(session, smap, weights)
        answer = solve_on_map(forecaster, goals, bounds, weights, capability_map)
    else:
        answer = _solve_units(session, structure, goals, held.bounds(session.plan_groups(structure)))
    recipe = answer.recipe(session.loaded.reference, criterion, [*CRITERIA])
    return {**answer.figures(), "settings": recipe.settings(), "recipe": recipe.to_dict()}


def _capability_map(
    session: Session, smap: SensitivityMap, weights: Mapping[str, float]
) -> CapabilityMap | None:
    """What the capabilities that have a weight lean on; None where none has."""
    if not weights:
        return None
    stored = results.capability_map(session.store, smap, weights)
    return stored or CapabilityMap.from_dict(capabilities(session, smap.criterion))


def _solve_units(session: Session, structure: str, targets: Sequence[Target], bounds: Bounds) -> Answer:
    choices = unit_choices_for(session, structure, bounds)
    if any(target.name in SPEED for target in targets):
        choices = with_latency(choices, LatencyTable.from_dict(latency(session)))
    forecaster = results.forecaster(session.store, unit_map_for(session, structure), PRICED_BY)
    choices = with_fit(choices, forecaster)
    return Answer(solver.solve(choices, targets, forecaster), choices.groups, forecaster)


def _solve_mix(session: Session, criterion: str, targets: Sequence[Target], held: Constraints) -> Answer:
    smap = map_for(session, criterion)
    forecaster = results.forecaster(session.store, smap, criterion)
    machine = machine_of(session, timed=any(target.name in SPEED for target in targets))
    return solve_mix(forecaster, machine, targets, held.bounds(smap.groups))


def machine_of(session: Session, timed: bool = True) -> Machine:
    """What sizes and, if it is `timed`, times of plans follow from; from the workspace or measured now."""
    loaded = session.loaded
    facts = results.inspected(session.store, loaded.reference, loaded.dtype)
    if facts is None or results.computed(facts) != loaded.computed:
        facts = inspect_model(session)
    table = latency(session) if timed else None
    return Machine(parts_of(facts), None if table is None else LatencyTable.from_dict(table))


def check_structure(structure: str, criterion: str) -> None:
    """Raise PruningError where there are no forecasts to solve with."""
    if structure not in (DEFAULT.structure, MIXED, *UNITS):
        raise PruningError(
            f"There are no forecasts for the structure {structure}. Use one of "
            f"{', '.join((DEFAULT.structure, MIXED, *UNITS))}."
        )
    if structure in UNITS and criterion != PRICED_BY:
        raise PruningError(
            f"{structure} are priced with the criterion {PRICED_BY}, not {criterion}. Leave that out."
        )


# ---- whole units ------------------------------------------------------------------------------------


def unit_choices_for(session: Session, structure: str, bounds: Bounds | None = None) -> ChoiceTable:
    """What pruning units of each layer is forecast to cost, once what is kept compensates."""
    smap = unit_map_for(session, structure)
    totals = smap.unit_totals[structure]
    weights = {
        layer: int(size) // totals[layer]
        for (layer, _), size in zip(smap.groups, smap.parameters, strict=True)
    }
    return unit_choices(_unit_costs(smap, totals), totals, structure, weights, smap.dense, bounds)


def unit_map_for(session: Session, structure: str) -> SensitivityMap:
    """The part of the map that is about neurons, heads or KV groups, what is kept compensating.

    Raises PruningError for units that the model has not, or that do not come apart.
    """
    if structure not in UNITS:
        raise PruningError(f"There are no forecasts for {structure}. Use one of {', '.join(UNITS)}.")
    smap = map_for(session)
    if structure not in smap.unit_totals:
        units_of(session, structure)
    return smap.of_units(structure)


def _unit_costs(smap: SensitivityMap, totals: Mapping[int, int]) -> dict[int, np.ndarray]:
    """By layer the forecast cost of 0, 1, 2, … of its units [units + 1], at most the share `MOST` of them."""
    counts = np.array([totals[layer] for layer, _ in smap.groups])
    most = np.maximum(1, np.minimum(counts - 1, np.rint(MOST * counts))).astype(int)
    steps = [costs_at(smap, np.minimum(step, most) / counts) for step in range(int(most.max()) + 1)]
    rows = np.stack(steps, axis=1)
    return {layer: rows[row, : most[row] + 1] for row, (layer, _) in enumerate(smap.groups)}
