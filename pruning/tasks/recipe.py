"""The task that writes down what is to be pruned: a recipe for settings, a preset, or the best we can do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pruning.engine.criteria import CRITERIA, LEARNT
from pruning.engine.criteria import criterion as named_criterion
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions, effective, scoped
from pruning.planning.recipe.mix import sparsity
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.presets import parse_preset
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.best import best_spec
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import check_units, kept_units, share_pruned


def recipe(
    session: Session,
    settings: Sequence[str] = (),
    criterion: str = "fisher",
    preset: str | None = None,
    best: float | None = None,
    labels: Mapping[str, str | None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Make a recipe for the session's model and text.

    Parameters
    ----------
    session
        The model; the text that weights are scored on.
    settings
        Levels such as `up=0.5`; they change those of the preset.
    criterion
        How weights are scored.
    preset
        Where to start from, such as `ramp=0.3,first_times=0`: see `pruning.planning.recipe.presets`.
    best
        The share of weights, or of the structure's units, to prune with the least damage we can do; then
        settings, preset and criterion are found, and left out.
    labels
        The recipe's `name` and `notes`.
    options
        See `pruning.planning.recipe.mask_options`.

    Returns
    -------
    dict
        The `recipe`, its `settings`, the `sparsity` it comes to (0..1), and how many units stay in each
        layer, `kept_units` by kind; `kept` is the same where one kind of unit goes and nothing else.
    """
    masks = MaskOptions.of(options)
    if best is not None:
        if settings or preset:
            raise PruningError("The best recipe has levels of its own. Leave settings and preset out.")
        spec = best_spec(session, masks, best)
        settings, criterion, masks = spec.settings, spec.criterion, spec.options
    plan = _plan(session, settings, preset)
    made = Recipe.from_plan(
        plan,
        session.every_group,
        ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint),
        DataEntry(name=session.data),
        criterion,
        masks,
    )
    labels, created = labels or {}, datetime.now(UTC).replace(microsecond=0)
    made = made.with_details(labels.get("name"), labels.get("notes"), created).checked([*CRITERIA, *LEARNT])
    return {"recipe": made.to_dict(), "settings": made.settings(), **_figures(session, made, plan)}


def _figures(session: Session, made: Recipe, plan: Plan) -> dict[str, Any]:
    """What the recipe comes to, without choosing a weight."""
    masks, criterion = made.options(), made.criterion
    if masks.whole:
        spec = PruningSpec(tuple(made.settings()), criterion, session.data, masks)
        check_units(session, spec)
        kept = kept_units(session, spec)
        alone = {"kept": next(iter(kept.values()))} if masks.structure in kept else {}
        return {"sparsity": share_pruned(session, spec), **alone, "kept_units": kept}
    levels = effective(plan, session.plan_groups(), scoped(masks, named_criterion(criterion).scope))
    sizes = {(group.layer, group.kind): group.parameters for group in session.groups}
    return {"sparsity": sparsity(levels, sizes)}


def _plan(session: Session, settings: Sequence[str], preset: str | None) -> Plan:
    """The plan of the preset, changed by the settings."""
    if not preset:
        return session.plan(settings)
    ready = session.settings(parse_preset(preset, session.every_group))
    return session.plan([*ready, *settings])
