"""What jobs will take with a model, before it is loaded."""

from dataclasses import asdict
from typing import Any

from pruning.engine.evaluation.probe import machine_of, probe
from pruning.engine.models.load import choose_device
from pruning.errors import PruningError
from pruning.model_files.checkpoint import DTYPE_BYTES
from pruning.planning.cost.estimate.result import estimates
from pruning.planning.cost.given.machine import Speeds
from pruning.planning.cost.given.read import Source, source_of
from pruning.workspace.store import Store

SPEEDS = "speeds"


def estimate(
    reference: str, store: Store, dtype: str = "float32", device: str = "auto", tokens: int | None = None
) -> dict[str, Any]:
    """Memory, disk and time of every job with a model, from its headers and a probe of some seconds.

    What the probe found is kept in the workspace.

    Parameters
    ----------
    reference
        A folder, a GGUF file, a hub id, `demo`, or a configuration (.json).
    store
        The workspace.
    dtype, device
        What would be computed in, and where.
    tokens
        The most tokens of text; None for the usual.

    Raises
    ------
    PruningError
        The model is not there, or does not say how wide it is.
    """
    if dtype not in DTYPE_BYTES:
        raise PruningError(f'"{dtype}" is not a dtype. Choose one of {", ".join(DTYPE_BYTES)}.')
    source, place = source_of(reference), choose_device(device)
    speeds = probed(source, store, dtype, place)
    return estimates(source, machine_of(place, store.root), speeds, dtype, tokens)


def probed(source: Source, store: Store, dtype: str, device: str) -> Speeds:
    """How fast this machine is, found now and kept for the pages."""
    speeds = probe(source.shape, dtype, device, source.files, store.root)
    store.put(SPEEDS, {"dtype": dtype, "device": device}, asdict(speeds))
    return speeds
