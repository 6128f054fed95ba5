"""A recovered model, found again in the workspace: for a while, for the tasks that use it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pruning.engine.architecture.stored_weights import Read
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.recovery.checkpoints import about, load_change
from pruning.errors import PruningError
from pruning.planning.recipe.spec import PruningSpec
from pruning.planning.recipe.training import Training
from pruning.tasks.context.apply import applied
from pruning.tasks.context.session import Session


def recovery_key(session: Session, spec: PruningSpec, training: Training) -> dict[str, Any]:
    """What a recovery is stored under: all that decides how it ends."""
    return {**session.on(spec.data).text_key, **spec.key(), "recovery": asdict(training)}


@contextmanager
def applied_spec(
    session: Session, spec: PruningSpec, recovery: Mapping[str, Any] | None, stored: Read | None = None
) -> Iterator[WeightChange]:
    """The model pruned as `spec` says, and recovered where `recovery` is not None, while open.

    `stored` reads weights from the model's files, see `applied_change`.
    Raises PruningError when that recovery has not been run in this workspace.
    """
    if recovery is None:
        with applied(session, spec, stored) as change:
            yield change
        return
    session.stage("choose", "Reading the recovered weights")
    change, _ = load_change(_weights_file(session, spec, recovery), session.loaded.device)
    with applied_change(session.model, session.groups, change, stored):
        yield change


def trained_steps(session: Session, spec: PruningSpec, recovery: Mapping[str, Any]) -> int:
    """After how many steps the recovered weights were taken; fewer than asked for where it was cancelled."""
    return int(about(_weights_file(session, spec, recovery))["best"]["step"])


def _weights_file(session: Session, spec: PruningSpec, recovery: Mapping[str, Any]) -> Path:
    key = recovery_key(session, spec, Training.of(recovery))
    path = session.store.file("recovery", key, ".safetensors")
    if not path.exists():
        raise PruningError(
            "This recipe's recovery has not been run in this workspace. Run `prunescope recover` with the "
            "recipe first."
        )
    return path
