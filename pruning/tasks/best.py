"""The best recipe we know how to make for a sparsity that is asked for."""

from typing import Any

from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.planning.allocation.allocate import allocate
from pruning.planning.forecast.predict import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import UNIT_KINDS, format_settings
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress
from pruning.tasks.best_units import best_units
from pruning.tasks.context.context import groups_of
from pruning.tasks.measure import measure
from pruning.tasks.sensitivity import make_map
from pruning.workspace.store import Store

# How the groups compare is priced by a criterion that leaves other weights as they are: it scores with one
# half of the text and is priced with the other, where an update would be priced by what it was fitted to.
PRICED_BY = "fisher"


# Of a task's time, as it is shown; what is measured in the end takes the rest.
SEARCH = 0.8


def best(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    sparsity: float,
    structure: str = "unstructured",
    data: str = "demo",
) -> dict[str, Any]:
    """Find the best recipe for `sparsity` (see `best_spec`) and measure it; what `measure` returns, which
    holds the recipe's settings, criterion and options."""

    def searching(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        progress(SEARCH * done / (total or 1), 1, note)

    def measuring(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        progress(SEARCH + (1 - SEARCH) * done / (total or 1), 1, note)

    spec = best_spec(loaded, store, searching, MaskOptions(structure=structure), sparsity, data)
    changed = spec.options.changed()
    return measure(loaded, store, measuring, list(spec.settings), spec.criterion, data, **changed)


def best_spec(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    options: MaskOptions,
    sparsity: float,
    data: str = "demo",
) -> PruningSpec:
    """What loses the share `sparsity` (0..1) of the weights, or units, with the least damage we can do.

    Raises PruningError where there is no such recipe.
    """
    if options.whole and options == MaskOptions(structure=options.structure):
        return best_units(loaded, store, progress, options.structure, sparsity, data)
    if options != DEFAULT:
        raise PruningError(
            f"The best recipe is for single weights or for {', '.join(UNIT_KINDS)}, without other options. "
            "Leave them out."
        )
    smap = make_map(loaded, store, progress, criterion=PRICED_BY, data=data)["map"]
    plan = allocate(SensitivityMap.from_dict(smap), sparsity)
    return PruningSpec(tuple(format_settings(plan, groups_of(loaded))), "corrected", data)
