"""The pruned model for a while: what every task that measures, writes or asks a pruned model goes through."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pruning.engine.architecture.stored_weights import Read
from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import plan_masks
from pruning.engine.masking.sparsegpt import check, sparsegpt
from pruning.engine.masking.sparsegpt_corrected import sparsegpt_corrected
from pruning.planning.recipe.mask_options import effective, planned_options, scoped
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import check_units, units_change


def spec_of(
    session: Session, settings: Sequence[str], criterion: str, options: Mapping[str, Any]
) -> PruningSpec:
    """What is asked for, in its one spelling. Raises PruningError for what cannot be read or done."""
    method, plan = named_criterion(criterion), session.plan(settings)
    masks = planned_options(options, {kind for _, kind in plan})
    spec = PruningSpec(tuple(session.settings(plan)), method.name, session.data, masks)
    if masks.whole:
        check_units(session, spec)
        return spec
    if method.updates:
        check(masks)
    effective(plan, session.plan_groups(), scoped(masks, method.scope))
    return spec


@contextmanager
def applied(session: Session, spec: PruningSpec, stored: Read | None = None) -> Iterator[WeightChange]:
    """The model pruned as `spec` says while open, and what changed; every weight comes back bit for bit.

    `stored` reads weights from the model's files, see `applied_change`.
    """
    change = change_of(session, spec)
    with applied_change(session.model, session.groups, change, stored):
        yield change


def change_of(session: Session, spec: PruningSpec) -> WeightChange:
    """What `spec` does to the dense model, which is not changed.

    Where that takes a weight update, the latest is kept with the session: who measures often writes next.
    """
    session = session.on(spec.data)
    if not (spec.options.whole or named_criterion(spec.criterion).updates):
        return _masks(session, spec)
    about = {"data_fingerprint": session.windows.fingerprint, "fitting_tokens": session.fitting_tokens}
    key = {**spec.key(), **about}
    latest = session.made.change
    if latest is None or latest[0] != key:
        update = units_change if spec.options.whole else _updates
        latest = session.made.change = key, update(session, spec)
    return latest[1]


def _updates(session: Session, spec: PruningSpec) -> WeightChange:
    """Single weights that are pruned while those that are kept compensate."""
    update = sparsegpt_corrected if spec.criterion == "corrected" else sparsegpt
    plan, windows = session.plan(spec.settings), session.fitting_windows
    heard = session.stage(spec.criterion, "Pruning layer by layer")
    return update(session.model, session.groups, plan, windows, spec.options, heard)


def _masks(session: Session, spec: PruningSpec) -> WeightChange:
    """Weights that are pruned while those that are kept stay as they are."""
    method = named_criterion(spec.criterion)
    plan, inputs = session.plan(spec.settings), session.inputs_for(method)
    session.stage("choose", "Choosing the weights to remove")
    return WeightChange(plan_masks(session.model, session.groups, method, plan, inputs, spec.options))


def share_removed(session: Session, change: WeightChange) -> float:
    """The share of all prunable weights that the change prunes, 0..1."""
    pruned = sum(int(mask.sum()) for mask in change.removed.values())
    return pruned / sum(group.parameters for group in session.groups)
