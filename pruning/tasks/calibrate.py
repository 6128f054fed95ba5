"""The task that measures what a forecast learns most from."""

from typing import Any

from pruning.engine.models.load import Loaded
from pruning.planning.forecast.calibration_plans import calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import Plan, format_settings, parse_settings
from pruning.progress import Progress, within
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.context import groups_of, windows_of
from pruning.tasks.context.units import units_of
from pruning.tasks.measure import measure, place_of
from pruning.tasks.optimize import check_structure, map_for
from pruning.tasks.unit_maps import unit_map_for
from pruning.workspace import results
from pruning.workspace.store import Store


def calibrate(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    criterion: str = "fisher",
    data: str = "demo",
    structure: str = DEFAULT.structure,
) -> dict[str, Any]:
    """Measure the few plans that tell most about the map of a criterion; each is stored as any measurement.

    `structure`: single weights, or units that go whole. The map is drawn first where there is none. A plan
    that was measured before, by whatever task, is not measured again: `measured` counts those of now, `plans`
    has the settings of all and `kls` what they cost. `kappa`, `beta`, `weights`, `depth` and `spread` are
    of the calibration that these plans give by themselves.
    """
    check_structure(structure, criterion)
    options = MaskOptions(structure=structure)
    table, trials = _trials(loaded, store, progress, criterion, data, structure)
    plans = [format_settings(plan, groups_of(loaded, structure)) for plan in trials]
    known = [_measured(loaded, store, settings, criterion, data, options) for settings in plans]
    missing = [index for index, one in enumerate(known) if one is None]
    for number, index in enumerate(missing):
        part = within(progress, number, len(missing), f"Plan {number + 1} of {len(missing)}")
        known[index] = measure(
            loaded, store, part, plans[index], criterion=criterion, data=data, **options.changed()
        )
        progress(number + 1, len(missing), f"Measured {number + 1} of {len(missing)}", {"plan": known[index]})
    found = [one for one in known if one is not None]
    measured = [(parse_settings(one["settings"], list(table.groups)), one["kl"]) for one in found]
    learnt = Forecaster.fitted(table, measured).fit
    return {
        "plans": plans,
        "measured": len(missing),
        "kls": [one["kl"] for one in found],
        "kappa": learnt.kappa,
        "beta": learnt.beta,
        "weights": dict(learnt.weights),
        "depth": learnt.depth,
        "spread": learnt.spread,
    }


def _trials(
    loaded: Loaded, store: Store, progress: Progress, criterion: str, data: str, structure: str
) -> tuple[SensitivityMap, list[Plan]]:
    if structure == DEFAULT.structure:
        smap = _map(loaded, store, progress, criterion, data)
        return smap, calibration_plans(smap)
    smap = unit_map_for(loaded, store, progress, structure, data)
    totals = units_of(loaded, structure).totals(structure)
    return smap, calibration_plans(smap, totals)


def _map(loaded: Loaded, store: Store, progress: Progress, criterion: str, data: str) -> SensitivityMap:
    """The map the dashboard forecasts this criterion with: its own where there is one, with most levels."""
    subject = results.Subject(loaded.fingerprint, data, windows_of(loaded, data).fingerprint)
    best = results.best_map(store, subject, criterion)
    if best is None:
        return map_for(loaded, store, progress, criterion, data)
    return SensitivityMap.from_dict(best["value"])


def _measured(
    loaded: Loaded, store: Store, settings: list[str], criterion: str, data: str, options: MaskOptions
) -> dict[str, Any] | None:
    """What is known of a plan on the very text that is there now: a file may have changed under its name."""
    kind, key = place_of(loaded, spec_of(loaded, settings, criterion, data, options.changed()), None)
    return results.stored(store, kind, key, windows_of(loaded, data).fingerprint)
