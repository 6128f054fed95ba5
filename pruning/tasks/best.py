"""The best recipe we know how to make for a sparsity that is asked for."""

from collections.abc import Sequence
from typing import Any

from pruning.engine.architecture.forward import head_of, run, skipping_layers
from pruning.engine.evaluation.metrics import compare
from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable, map_choices
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import MAX_LEVEL, UNIT_KINDS, Plan
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session
from pruning.tasks.measure import measure
from pruning.tasks.optimize import unit_choices_for
from pruning.tasks.sensitivity import PRICED_BY, make_map
from pruning.wording import counted

# Levels stay this near the sparsity: on the demo model the update measured best so. Units have few levels,
# and compensate for one another within a layer, so that they need no such bound.
REACH = 0.1
NO_REACH = 1.0
# Layers are judged on some of the calibration windows; of those that did least damage when last tried, so
# many are tried again after each that was dropped.
WINDOWS_STEP = 4
SCORE_EVERY = 2
TRIED_AGAIN = 4


def best(session: Session, sparsity: float, structure: str = DEFAULT.structure) -> dict[str, Any]:
    """Find the best recipe for `sparsity` (see `best_spec`) and measure it; what `measure` returns, which
    holds the recipe's settings, criterion and options."""
    spec = best_spec(session, MaskOptions(structure=structure), sparsity)
    return measure(session, spec.settings, spec.criterion, **spec.options.changed())


def best_spec(session: Session, options: MaskOptions, sparsity: float) -> PruningSpec:
    """What prunes the share `sparsity` (0..1) of the weights, or units, with the least damage we can do.

    Single weights: more from groups where it costs less, by the map, and with SparseGPT's update whose
    error is corrected. Neurons, heads and KV groups: more from layers where they cost less, by forecast, and
    what is kept compensates. Layers: one after the other, each the one without which the model's predictions
    on the calibration text change least.

    Raises
    ------
    PruningError
        Where there is no such recipe, and for other options besides the structure.
    """
    structure = options.structure
    if options != MaskOptions(structure=structure) or not (options.whole or options == DEFAULT):
        raise PruningError(
            f"The best recipe is for single weights or for {', '.join(UNIT_KINDS)}, without other options. "
            "Leave them out."
        )
    if structure != "layers" and not 0.0 < sparsity <= MAX_LEVEL:
        raise PruningError(
            f"A sparsity of {sparsity:g} cannot be shared out: it is a share between 0 and {MAX_LEVEL:g}."
        )
    if not options.whole:
        smap = SensitivityMap.from_dict(make_map(session, PRICED_BY)["map"]).of_weights
        plan = _cheapest(map_choices(Forecaster.prior(smap)), sparsity, REACH)
        return PruningSpec(tuple(session.settings(plan)), "corrected", session.data)
    if structure == "layers":
        plan = {
            (layer, "layers"): 1.0 for layer in sorted(layers_to_drop(session, _count(session, sparsity)))
        }
    else:
        plan = _cheapest(unit_choices_for(session, structure), sparsity, NO_REACH)
    return PruningSpec(tuple(session.settings(plan)), PRICED_BY, session.data, options)


def _cheapest(choices: ChoiceTable, sparsity: float, reach: float) -> Plan:
    """The plan of least forecast cost that prunes at least this share."""
    return solve(choices, [Target("sparsity", sparsity)], reach=reach).plan


def _count(session: Session, sparsity: float) -> int:
    """How many layers this share of them is."""
    total = len(session.plan_groups("layers"))
    count = round(sparsity * total)
    if not 0 < count < total:
        raise PruningError(
            f"A share of {sparsity:g} of {counted(total, 'layer')} is {count}. Give one that leaves 1 "
            f"to {total - 1}."
        )
    return count


def layers_to_drop(session: Session, count: int, among: Sequence[int] | None = None) -> list[int]:
    """So many layers, in the order in which they go: each the one without which, and without those before,
    the model's predictions on the calibration text change least. Fewer are the first of more.

    `among`: only these are tried; all of them where it is None.
    """
    total = len(session.plan_groups("layers"))
    model, windows = session.model, session.windows.calibration[::WINDOWS_STEP]
    heard = session.stage("drop_layers", "Trying which layer can go")
    head, dense = head_of(model), run(model, windows)
    kept, dropped, done = list(range(total) if among is None else among), list[int](), 0
    first = len(kept)
    for _ in range(count):
        # After each only the least harmful so far are tried again.
        tried = kept[:TRIED_AGAIN] if dropped else kept
        damage = {}
        for layer in tried:
            with skipping_layers(model, [*dropped, layer]):
                damage[layer] = compare(head, dense, run(model, windows), windows, SCORE_EVERY).kl
            done += 1
            heard(done, first + (count - 1) * min(TRIED_AGAIN, first), "Trying which layer can go")
        kept = [*sorted(tried, key=damage.__getitem__), *kept[len(tried) :]]
        dropped.append(kept.pop(0))
    return dropped
