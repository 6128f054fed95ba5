"""What removing whole units of each layer is forecast to cost, as a map like that of single weights."""

import time

import numpy as np

from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import dense_bytes, weight_bytes
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.unit_costs import UnitKind, unit_cost_curves
from pruning.errors import PruningError
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.plan import MAX_LEVEL
from pruning.progress import Progress
from pruning.tasks.context.context import fitting_windows, groups_of, inputs_for, reference_of, same_text
from pruning.tasks.context.units import units_of
from pruning.tasks.optimize import UNITS, unit_weights
from pruning.tasks.sensitivity import forward_seconds
from pruning.workspace.results import stored
from pruning.workspace.store import Store

CRITERION = "fisher"
# Finer where it is cheap: few units are what most plans remove.
LEVELS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)


def unit_map_for(
    loaded: Loaded, store: Store, progress: Progress, structure: str, data: str = "demo"
) -> SensitivityMap:
    """The map of neurons, heads or KV groups, what stays being refitted; from the workspace or drawn now."""
    if structure not in UNITS:
        raise PruningError(f"There are no forecasts for {structure}. Use one of {', '.join(UNITS)}.")
    reference = reference_of(loaded, data, progress)
    key = {**same_text(loaded, data), "structure": structure}
    drawn = stored(store, "unit_map", key, reference.windows.fingerprint)
    if drawn is not None:
        return SensitivityMap.from_dict(drawn)
    start = time.perf_counter()
    units = units_of(loaded, structure)
    known = inputs_for(loaded, store, data, named_criterion(CRITERION), progress)
    windows = fitting_windows(loaded, data)
    costs = unit_cost_curves(
        loaded.model, loaded.groups, UnitKind(units, structure), known, windows, progress
    )
    totals, weights = units.totals(structure), unit_weights(loaded.model, units, structure)
    groups = groups_of(loaded, structure)
    levels = _levels(totals)
    prices = np.stack([_at(costs[layer], totals[layer], levels) for layer, _ in groups])
    seconds = time.perf_counter() - start
    smap = SensitivityMap(
        model=loaded.reference,
        fingerprint=loaded.fingerprint,
        criterion=CRITERION,
        data=data,
        data_fingerprint=reference.windows.fingerprint,
        levels=levels,
        groups=tuple(groups),
        parameters=np.array([totals[layer] * weights[layer] for layer, _ in groups]),
        kronecker=prices,
        token=prices,
        dense={
            "perplexity": reference.quality.perplexity,
            "accuracy": reference.quality.accuracy,
            "bytes": dense_bytes(loaded.model),
            "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
            "weight_bytes": weight_bytes(loaded.model),
        },
        seconds=seconds,
        dense_forwards=seconds / forward_seconds(loaded, data),
        structure=structure,
    )
    store.put("unit_map", key, smap.to_dict())
    return smap


def _levels(totals: dict[int, int]) -> tuple[float, ...]:
    """Levels at which at least one unit of every layer goes; of few units each number of them."""
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
