"""The task that finds the best plan for what is wanted, and what it chooses from where units go whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.units import Units, unit_weights
from pruning.engine.criteria import CRITERIA
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.timing import now
from pruning.engine.sensitivity.unit_costs import UnitKind, unit_cost_curves
from pruning.errors import PruningError
from pruning.planning.allocation import solver
from pruning.planning.allocation.choices import Bounds, ChoiceTable, unit_choices, with_fit, with_latency
from pruning.planning.allocation.plan_request import Answer, Constraints, capability_weights, solve_on_map
from pruning.planning.allocation.solver import SPEED, Target, parse_target
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.forecast.capability_map import CapabilityMap
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.planning.recipe.plan import MAX_LEVEL
from pruning.tasks.capabilities import capabilities
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.latency import latency
from pruning.tasks.sensitivity import PRICED_BY, dense_figures, forward_seconds, map_for
from pruning.workspace import results

UNITS = ("neurons", "heads", "kv_groups")
# Finer where it is cheap: few units are what most plans prune.
LEVELS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)


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
        of memory, or `speedup=1.4`. They hold together. With kl or perplexity as much is pruned as they
        allow.
    criterion
        How weights are scored.
    structure
        `unstructured`, `neurons`, `heads` or `kv_groups`.
    constraints
        What is held fast; a request has its fields as plain data.
    values
        What matters more than the rest: at 1 what a capability is forecast to lose counts as much as the
        drift on ordinary text. For single weights only.

    Returns
    -------
    dict
        The plan as `recipe` (see `pruning.planning.recipe.recipe`) and in `settings`; its `sparsity`,
        forecast `kl` (nats per token) with the band `kl_low` to `kl_high`, `parameters` and `bytes` that
        remain, and `gap_to_bound`, how far it may be from the best plan, as a share.

    Raises
    ------
    Infeasible
        With the nearest that is possible, where the targets cannot be met.
    """
    criterion = canonical_criterion(criterion)
    check_structure(structure, criterion)
    goals, weights = [parse_target(target) for target in targets], capability_weights(values or {}, structure)
    held = constraints if isinstance(constraints, Constraints) else Constraints(**(constraints or {}))
    bounds = held.bounds(session.plan_groups(structure))
    if structure == DEFAULT.structure:
        smap = map_for(session, criterion)
        forecaster = results.forecaster(session.store, smap, criterion)
        capability_map = _capability_map(session, smap, weights)
        answer = solve_on_map(forecaster, goals, bounds, weights, capability_map)
    else:
        answer = _solve_units(session, structure, goals, bounds)
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
    return Answer(solver.solve(choices, targets, forecaster), choices, forecaster)


def check_structure(structure: str, criterion: str) -> None:
    """Raise PruningError where there are no forecasts to solve with."""
    if structure not in (DEFAULT.structure, *UNITS):
        raise PruningError(
            f"There are no forecasts for the structure {structure}. Use one of "
            f"{', '.join((DEFAULT.structure, *UNITS))}."
        )
    if structure in UNITS and criterion != PRICED_BY:
        raise PruningError(
            f"{structure} are priced with the criterion {PRICED_BY}, not {criterion}. Leave that out."
        )


# ---- whole units ------------------------------------------------------------------------------------


def unit_choices_for(session: Session, structure: str, bounds: Bounds | None = None) -> ChoiceTable:
    """What pruning units of each layer is forecast to cost, once what is kept compensates."""
    units = units_of(session, structure)
    weights = unit_weights(session.model, units, structure)
    costs, totals = _unit_costs(session, units, structure), units.totals(structure)
    return unit_choices(costs, totals, structure, weights, dense_figures(session), bounds)


def unit_map_for(session: Session, structure: str) -> SensitivityMap:
    """The map of neurons, heads or KV groups, what is kept compensating; from the workspace or made now."""
    if structure not in UNITS:
        raise PruningError(f"There are no forecasts for {structure}. Use one of {', '.join(UNITS)}.")
    key, dense = {**session.key, "structure": structure}, dense_figures(session)
    stored = session.stored("unit_map", key)
    if stored is not None:
        return SensitivityMap.from_dict(stored)
    start = now(device_of(session.model))
    units = units_of(session, structure)
    costs = _unit_costs(session, units, structure)
    totals, weights = units.totals(structure), unit_weights(session.model, units, structure)
    groups, levels = session.plan_groups(structure), _levels(totals)
    prices = np.stack([_at(costs[layer], totals[layer], levels) for layer, _ in groups])
    seconds = now(device_of(session.model)) - start
    smap = SensitivityMap(
        model=session.loaded.reference,
        fingerprint=session.loaded.fingerprint,
        criterion=PRICED_BY,
        data=session.data,
        data_fingerprint=session.windows.fingerprint,
        levels=levels,
        groups=tuple(groups),
        parameters=np.array([totals[layer] * weights[layer] for layer, _ in groups]),
        kronecker=prices,
        token=prices,
        dense=dense,
        seconds=seconds,
        dense_forwards=seconds / forward_seconds(session),
        structure=structure,
    )
    session.store.put("unit_map", key, smap.to_dict())
    return smap


def _unit_costs(session: Session, units: Units, structure: str) -> dict[int, np.ndarray]:
    """By layer the forecast cost of 0, 1, 2, … of its units [units + 1]."""
    inputs, windows = session.inputs_for(named_criterion(PRICED_BY)), session.fitting_windows
    model, groups, heard = session.model, session.groups, session.stage("price_units", "Pricing units")
    return unit_cost_curves(model, groups, UnitKind(units, structure), inputs, windows, heard)


def _levels(totals: dict[int, int]) -> tuple[float, ...]:
    """Levels at which at least one unit of every layer is pruned; of few units each number of them."""
    few = min(totals.values())
    if few < 1 / LEVELS[0]:
        return tuple(round(count / few, 6) for count in range(1, few) if count / few <= MAX_LEVEL)
    return LEVELS


def _at(costs: np.ndarray, total: int, levels: tuple[float, ...]) -> np.ndarray:
    """The curve [units + 1] at shares of a layer's units; beyond its end the last steps go on."""
    counts = np.array(levels) * total
    last = len(costs) - 1
    step = costs[-1] - costs[-2] if last > 0 else 0.0
    return np.interp(counts, np.arange(len(costs)), costs) + np.maximum(counts - last, 0.0) * step
