"""The task that times a model on this machine, narrower and dense."""

from typing import Any

import torch

from pruning.engine.evaluation.sparse_kernels import sparse_kernels
from pruning.engine.evaluation.timing import machine, measure_table
from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.progress import Progress
from pruning.tasks.context.units import units_of
from pruning.workspace.store import Store


def latency(loaded: Loaded, store: Store, progress: Progress, again: bool = False) -> dict[str, Any]:
    """Time the model on this machine: dense, with fewer units, and its matrices in sparse formats.

    Measured once for a model, number format, device, count of threads and machine, and kept; `again` measures
    anew.
    """
    key = {
        "fingerprint": loaded.fingerprint,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
    found = None if again else store.get("latency", key)
    if found is None:
        try:
            units = units_of(loaded, "heads")
        except PruningError:
            # Heads do not come apart in every family; neurons and layers still do.
            units = units_of(loaded, "neurons")
        table = measure_table(loaded.model, units, progress=progress)
        found = {**table.to_dict(), "sparse": sparse_kernels(loaded.model, loaded.groups, progress=progress)}
        store.put("latency", key, found)
    return found
