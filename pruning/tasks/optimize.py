"""What the solver chooses from, for a loaded model: a map's prices, or those of whole units."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from pruning.engine.architecture.groups import weight_view
from pruning.engine.architecture.units import Units
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.size import dense_bytes, weight_bytes
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity import outliers as owl
from pruning.engine.sensitivity.group_costs import LEVELS
from pruning.engine.sensitivity.unit_costs import UnitKind, unit_cost_curves
from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds, ChoiceTable, unit_choices
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT
from pruning.progress import Progress
from pruning.tasks.best import PRICED_BY
from pruning.tasks.context.context import fitting_windows, inputs_for, same_text, windows_of
from pruning.tasks.context.units import units_of
from pruning.tasks.sensitivity import make_map
from pruning.workspace.results import stored
from pruning.workspace.store import Store

UNITS = ("neurons", "heads", "kv_groups")


def map_for(
    loaded: Loaded, store: Store, progress: Progress, criterion: str = "fisher", data: str = "demo"
) -> SensitivityMap:
    """The map of the model for a criterion, from the workspace or drawn now.

    Criteria that change the weights that stay are priced by one that does not: see `pruning.tasks.best`.
    """
    name = PRICED_BY if named_criterion(criterion).updates else criterion
    key = {**same_text(loaded, data), "criterion": name, "levels": list(LEVELS)}
    known = stored(store, "map", key, windows_of(loaded, data).fingerprint)
    if known is None:
        known = make_map(loaded, store, progress, criterion=name, data=data)["map"]
    return SensitivityMap.from_dict(known)


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


def unit_choices_for(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    structure: str,
    data: str = "demo",
    bounds: Bounds | None = None,
) -> ChoiceTable:
    """What removing units of each layer is forecast to cost, once what stays is refitted."""
    units = units_of(loaded, structure)
    known = inputs_for(loaded, store, data, named_criterion("fisher"), progress)
    windows = fitting_windows(loaded, data)
    costs = unit_cost_curves(
        loaded.model, loaded.groups, UnitKind(units, structure), known, windows, progress
    )
    dense = {
        "bytes": dense_bytes(loaded.model),
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "weight_bytes": weight_bytes(loaded.model),
    }
    weights = unit_weights(loaded.model, units, structure)
    return unit_choices(costs, units.totals(structure), structure, weights, dense, bounds)


def unit_weights(model: nn.Module, units: Units, structure: str) -> dict[int, int]:
    """By layer, the weights that go with one neuron, head or KV group."""
    if structure == "neurons":
        return {
            layer: sum(weight_view(model, part).shape[1] for part in own.rows)
            + weight_view(model, own.down).shape[0]
            for layer, own in units.neurons.items()
        }
    found = {}
    for layer, heads in units.heads.items():
        out = weight_view(model, heads.out).shape[0] * heads.size
        read = sum(_weights(model, part) for part in heads.queries[0])
        each = read + out
        if structure == "kv_groups":
            each = each * len(heads.members(0)) + sum(_weights(model, part) for part in heads.keys_values[0])
        found[layer] = each
    return found


def _weights(model: nn.Module, part: Any) -> int:
    rows, columns = weight_view(model, part).shape
    return int(rows * columns)


def outliers_of(loaded: Loaded, store: Store, progress: Progress, data: str = "demo") -> Mapping[int, float]:
    """The share of outliers of each layer on the calibration text: what OWL goes by."""
    known = inputs_for(loaded, store, data, named_criterion("wanda"), progress)
    return owl.outlier_shares(loaded.model, loaded.groups, known)
