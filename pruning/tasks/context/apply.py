"""The pruned model for a while: what every task that measures, writes or asks a pruned model goes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from pruning.engine.criteria import criterion as named_criterion
from pruning.engine.masking.change import PruningSpec, WeightChange, applied_change
from pruning.engine.masking.masks import plan_masks
from pruning.engine.masking.sparsegpt import check, sparsegpt
from pruning.engine.masking.sparsegpt_corrected import sparsegpt_corrected
from pruning.engine.models.load import Loaded
from pruning.planning.recipe.mask_options import MaskOptions, effective, scoped
from pruning.planning.recipe.plan import parse_settings
from pruning.progress import Progress
from pruning.tasks.context.context import fitting_windows, groups_of, inputs_for, normal, windows_of
from pruning.tasks.context.units import units_change, units_plan
from pruning.workspace.store import Store

_LATEST: WeakKeyDictionary[nn.Module, tuple[dict[str, Any], WeightChange]] = WeakKeyDictionary()


def spec_of(
    loaded: Loaded, settings: list[str], criterion: str, data: str, options: dict[str, Any]
) -> PruningSpec:
    """What is asked for, in its one spelling. Raises PruningError for what cannot be read or done."""
    chosen, wanted = named_criterion(criterion), MaskOptions.of(options)
    if wanted.whole:
        spelled = normal(loaded, settings, wanted.structure)[1]
        spec = PruningSpec(tuple(spelled), chosen.name, data, wanted)
        units_plan(loaded, spec)
        return spec
    if chosen.updates:
        check(wanted)
    plan, spelled = normal(loaded, settings)
    effective(plan, groups_of(loaded), scoped(wanted, chosen.scope))
    return PruningSpec(tuple(spelled), chosen.name, data, wanted)


@contextmanager
def applied(loaded: Loaded, store: Store, spec: PruningSpec, progress: Progress) -> Iterator[WeightChange]:
    """The model pruned as `spec` says while open, and what changed; every weight comes back bit for bit."""
    change = change_of(loaded, store, spec, progress)
    with applied_change(loaded.model, loaded.groups, change):
        yield change


def change_of(loaded: Loaded, store: Store, spec: PruningSpec, progress: Progress) -> WeightChange:
    """What `spec` does to the dense model, which is not changed.

    Where that takes fitting, the latest is kept with the model: who measures often writes next.
    """
    if not (spec.options.whole or named_criterion(spec.criterion).updates):
        return _masks(loaded, store, spec, progress)
    key = {**spec.key(), "data_fingerprint": windows_of(loaded, spec.data).fingerprint}
    latest = _LATEST.get(loaded.model)
    if latest is None or latest[0] != key:
        fitted = units_change if spec.options.whole else _updates
        latest = key, fitted(loaded, store, spec, progress)
        _LATEST[loaded.model] = latest
    return latest[1]


def _updates(loaded: Loaded, store: Store, spec: PruningSpec, progress: Progress) -> WeightChange:
    """Single weights that go while the others make up for them."""
    plan = parse_settings(spec.settings, groups_of(loaded))
    work = sparsegpt_corrected if spec.criterion == "corrected" else sparsegpt
    windows = fitting_windows(loaded, spec.data)
    return work(loaded.model, loaded.groups, plan, windows, spec.options, progress)


def _masks(loaded: Loaded, store: Store, spec: PruningSpec, progress: Progress) -> WeightChange:
    """Weights that go while the others stay as they are."""
    chosen = named_criterion(spec.criterion)
    plan = parse_settings(spec.settings, groups_of(loaded))
    known = inputs_for(loaded, store, spec.data, chosen, progress)
    return WeightChange(plan_masks(loaded.model, loaded.groups, chosen, plan, known, spec.options))


def share_removed(loaded: Loaded, change: WeightChange) -> float:
    """The share of all prunable weights that are removed, 0..1."""
    gone = sum(int(mask.sum()) for mask in change.removed.values())
    return gone / sum(group.parameters for group in loaded.groups)
