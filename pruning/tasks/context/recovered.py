"""A recovered model, found again in the workspace: for a while, for the tasks that use it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.checkpoints import about, load_change
from pruning.errors import PruningError
from pruning.planning.recipe.spec import PruningSpec
from pruning.planning.recipe.training import Training
from pruning.progress import Progress
from pruning.tasks.context.apply import applied
from pruning.tasks.context.context import Reference, reference_of, same_text
from pruning.workspace.store import Store


def recovery_key(
    loaded: Loaded, spec: PruningSpec, training: Training, reference: Reference
) -> dict[str, Any]:
    """What a recovery is stored under: all that decides how it ends."""
    same = {**same_text(loaded, spec.data), "data_fingerprint": reference.windows.fingerprint}
    return {**same, **spec.key(), "recovery": asdict(training)}


@contextmanager
def applied_as_told(
    loaded: Loaded, store: Store, spec: PruningSpec, recovery: Mapping[str, Any] | None, progress: Progress
) -> Iterator[WeightChange]:
    """The model pruned as `spec` says, and recovered where `recovery` is not None, while open.

    Raises PruningError when that recovery has not been run in this workspace.
    """
    if recovery is None:
        with applied(loaded, store, spec, progress) as change:
            yield change
        return
    path = _weights_file(loaded, store, spec, recovery, reference_of(loaded, spec.data, progress))
    change, _ = load_change(path, loaded.device)
    with applied_change(loaded.model, loaded.groups, change):
        yield change


def trained_steps(
    loaded: Loaded, store: Store, spec: PruningSpec, recovery: Mapping[str, Any], reference: Reference
) -> int:
    """After how many steps the recovered weights were taken; fewer than asked for where it was cancelled."""
    return int(about(_weights_file(loaded, store, spec, recovery, reference))["best"]["step"])


def _weights_file(
    loaded: Loaded, store: Store, spec: PruningSpec, recovery: Mapping[str, Any], reference: Reference
) -> Path:
    key = recovery_key(loaded, spec, Training.of(recovery), reference)
    path = store.file("recovery", key, ".safetensors")
    if not path.exists():
        raise PruningError(
            "This recipe's recovery has not been run in this workspace. Run `prunescope recover` with the "
            "recipe first."
        )
    return path
