"""The task that times a model on this machine, narrower and dense."""

from typing import Any

import torch

from pruning.engine.evaluation.sparse_kernels import sparse_kernels
from pruning.engine.evaluation.timing import machine, measure_table
from pruning.errors import PruningError
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of


def latency(session: Session, again: bool = False) -> dict[str, Any]:
    """Time the model on this machine: dense, with fewer units, and its matrices in sparse formats.

    Measured once for a model, number format, device, count of threads and machine, and kept; `again` measures
    anew.
    """
    loaded = session.loaded
    key = {
        "fingerprint": loaded.fingerprint,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
    value = None if again else session.store.get("latency", key)
    if value is None:
        try:
            units = units_of(session, "heads")
        except PruningError:
            # Heads do not come apart in every family; neurons and layers still do.
            units = units_of(session, "neurons")
        racing = session.stage("race", "Timing narrower models")
        table = measure_table(loaded.model, units, progress=racing)
        kernels = session.stage("kernels", "Timing sparse formats")
        value = {**table.to_dict(), "sparse": sparse_kernels(loaded.model, loaded.groups, progress=kernels)}
        session.store.put("latency", key, value)
    return value
