"""The task that measures what a forecast is best fitted to."""

from typing import Any

from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import MIXED
from pruning.planning.recipe.plan import Plan
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.measure import place_of
from pruning.tasks.measure_plans import measure_each
from pruning.tasks.optimize import UNITS, check_structure, unit_map_for
from pruning.tasks.sensitivity import map_for
from pruning.workspace import results


def calibrate(session: Session, criterion: str = "fisher", structure: str = MIXED) -> dict[str, Any]:
    """Measure the few plans that tell most about the map of a criterion; each is stored as any measurement.

    `structure`: mixed, units and weights; unstructured, weights alone; or one kind of unit. The map is made
    first where there is none. A plan that was measured before, by whatever task, is not measured again:
    `measured` counts those of now, `plans` has the settings of all and `kls` what they cost. `kappa`, `beta`,
    `weights`, `depth` and `spread` are of the fit to these plans alone.
    """
    criterion = canonical_criterion(criterion)
    if structure != MIXED:
        check_structure(structure, criterion)
    smap, calibration = _calibration(session, criterion, structure)
    plans = [session.settings(plan) for plan in calibration]
    values = [_stored(session, settings, criterion) for settings in plans]
    missing = [index for index, value in enumerate(values) if value is None]
    specs = [spec_of(session, plans[index], criterion, {}) for index in missing]
    for number, value in measure_each(session, specs):
        values[missing[number]] = value
    measured = [value for value in values if value is not None]
    pairs = [(session.plan(value["settings"]), value["kl"]) for value in measured]
    fit = Forecaster.fitted(smap, pairs, measured).fit
    return {
        "plans": plans,
        "measured": len(missing),
        "kls": [value["kl"] for value in measured],
        "kappa": fit.kappa,
        "beta": fit.beta,
        "weights": dict(fit.weights),
        "depth": fit.depth,
        "spread": fit.spread,
    }


def _calibration(session: Session, criterion: str, structure: str) -> tuple[SensitivityMap, list[Plan]]:
    """The map, and the plans that tell most about it."""
    if structure in UNITS:
        smap = unit_map_for(session, structure)
    else:
        smap = _map(session, criterion, units=structure == MIXED)
    return smap, calibration_plans(smap)


def _map(session: Session, criterion: str, units: bool) -> SensitivityMap:
    """The map the dashboard forecasts this criterion with: its own where there is one, with most levels.

    With `units` one that prices them, made now where the map is of before.
    """
    row = results.best_map(session.store, session.subject, criterion)
    smap = None if row is None else SensitivityMap.from_dict(row["value"])
    if smap is None or (units and not smap.unit_totals):
        smap = map_for(session, criterion)
    return smap if units else smap.of_weights


def _stored(session: Session, settings: list[str], criterion: str) -> dict[str, Any] | None:
    """What was measured of a plan on the very text that is there now."""
    return session.stored(*place_of(session, spec_of(session, settings, criterion, {})))
