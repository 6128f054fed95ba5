"""In which way a model is loaded for a job, in memory or streamed: decided from estimates."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pruning.errors import PruningError
from pruning.model_files.checkpoint import demo_folder, local_path
from pruning.model_files.streaming import AUTO, NO, YES
from pruning.planning.cost.estimate.fit import choose
from pruning.planning.cost.given.machine import Machine
from pruning.planning.cost.given.read import Source, source_of
from pruning.planning.cost.given.setting import Setting

# By the name of a task, the estimates that it is judged by; others are judged by what measuring takes.
JUDGED_BY: Mapping[str, tuple[str, ...]] = {
    "map": ("map",),
    "sweep": ("map",),
    "capabilities": ("map",),
    "outliers": ("map",),
    "calibrate": ("map", "measure"),
    "best": ("map", "corrected"),
    "recipe": ("map",),
    "recover": ("recover",),
    "progressive": ("recover",),
    "lottery": ("recover",),
    "export": ("export",),
}
# Of these it is enough that the weights are there.
LIGHT = frozenset({"inspect", "text"})
UPDATES = frozenset({"corrected", "sparsegpt"})


def way_to_load(
    reference: str, task: str, how: Mapping[str, Any], arguments: Mapping[str, Any], machine: Machine
) -> dict[str, Any]:
    """The options to load a model with for a task, its `stream` settled where that can be known before.

    Parameters
    ----------
    reference
        The model.
    task, arguments
        What is to be done with it.
    how
        As `pruning.engine.models.load.load` takes them.
    machine
        What there is; memory that this process has already counts as available.

    Raises
    ------
    PruningError
        The job does not fit in the way that was asked for, or in none; it says what would.
    """
    source = _at_hand(reference)
    if source is None or (task in LIGHT and how.get("stream", AUTO) != AUTO):
        return dict(how)
    setting = Setting(source.shape, str(how.get("dtype", "float32")), tokens=how.get("tokens"))
    jobs = ("load",) if task in LIGHT else _judged(task, arguments)
    streamed = choose(source, jobs, setting, machine, str(how.get("stream", AUTO)))
    return {**how, "stream": YES if streamed else NO}


def _judged(task: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    jobs = JUDGED_BY.get(task, ("measure",))
    recipe = arguments.get("recipe")
    named = recipe.get("criterion") if isinstance(recipe, Mapping) else arguments.get("criterion")
    return (*jobs, "corrected") if named in UPDATES and "map" not in jobs else jobs


def _at_hand(reference: str) -> Source | None:
    """The model where its files are here; None where it is to be fetched, or is wrong."""
    with suppress(PruningError):
        if reference == "demo":
            return source_of(reference) if demo_folder().is_dir() else None
        if local_path(reference) is not None:
            source = source_of(reference)
            return source if source.files else None
    return None
