"""The best way we know to remove a share of a model's neurons, heads, KV groups or layers."""

from pruning.engine.architecture.forward import head_of, run, skipping_layers
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.evaluation.metrics import compare
from pruning.engine.masking.change import PruningSpec
from pruning.engine.models.load import Loaded
from pruning.engine.sensitivity.unit_costs import UnitKind, share_out, unit_cost_curves
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Plan, format_settings
from pruning.progress import Progress
from pruning.tasks.context.context import fitting_windows, groups_of, inputs_for, windows_of
from pruning.tasks.context.units import units_of
from pruning.workspace.store import Store

CRITERION = "fisher"
# Layers are judged on some of the calibration windows; of those that did least damage when last tried, so
# many are tried again after each that went.
WINDOWS_STEP = 4
SCORE_EVERY = 2
TRIED_AGAIN = 4


def best_units(
    loaded: Loaded, store: Store, progress: Progress, structure: str, sparsity: float, data: str = "demo"
) -> PruningSpec:
    """What loses the share `sparsity` (0..1) of the units with the least damage we can do.

    Neurons, heads and KV groups: more from layers where they cost less, by forecast, and what stays refitted.
    Layers: one after the other, each the one whose loss changes the model's predictions least, measured on
    the calibration text.
    """
    if structure == "layers":
        plan = _layers(loaded, sparsity, data, progress)
    else:
        units = units_of(loaded, structure)
        known = inputs_for(loaded, store, data, named_criterion(CRITERION), progress)
        windows = fitting_windows(loaded, data)
        costs = unit_cost_curves(
            loaded.model, loaded.groups, UnitKind(units, structure), known, windows, progress
        )
        plan = share_out(costs, units.totals(structure), structure, sparsity)
    settings = format_settings(plan, groups_of(loaded, structure))
    return PruningSpec(tuple(settings), CRITERION, data, MaskOptions(structure=structure))


def _layers(loaded: Loaded, sparsity: float, data: str, progress: Progress) -> Plan:
    """Layers to drop, one after the other; after each only the least harmful so far are tried again."""
    total = len({group.layer for group in loaded.groups})
    count = round(sparsity * total)
    if not 0 < count < total:
        raise PruningError(
            f"A share of {sparsity:g} of {total} layers is {count}. Give one that leaves 1 to {total - 1}."
        )
    windows = windows_of(loaded, data).calibration[::WINDOWS_STEP]
    head, dense = head_of(loaded.model), run(loaded.model, windows)
    left, gone = list(range(total)), list[int]()
    for step in range(count):
        tried = left if not gone else left[:TRIED_AGAIN]
        damage = {}
        for layer in tried:
            with skipping_layers(loaded.model, [*gone, layer]):
                damage[layer] = compare(head, dense, run(loaded.model, windows), windows, SCORE_EVERY).kl
            progress(step + len(damage) / len(tried), count, "Trying which layer can go")
        left = [*sorted(tried, key=damage.__getitem__), *left[len(tried) :]]
        gone.append(left.pop(0))
    return {(layer, "layers"): 1.0 for layer in sorted(gone)}
