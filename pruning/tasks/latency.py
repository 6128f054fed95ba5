"""The task that times a model on this machine, narrower and dense."""

from dataclasses import replace
from typing import Any

import torch

from pruning.engine.architecture.units import Units
from pruning.engine.evaluation.sparse_kernels import sparse_kernels
from pruning.engine.evaluation.timing import machine, measure_table
from pruning.engine.export.gguf.fit import check_format
from pruning.engine.export.gguf.racing import racing_in_llama_cpp
from pruning.engine.llamacpp.engine import check_installed
from pruning.engine.models.gguf.layout import layout_of
from pruning.errors import PruningError
from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH, TIMED
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of
from pruning.tasks.inspect import inspect_model
from pruning.workspace import results

ENGINES = (PYTORCH, LLAMA_CPP)


def latency(
    session: Session, again: bool = False, engine: str = PYTORCH, quantize: str = TIMED
) -> dict[str, Any]:
    """Time the model on this machine: dense, with fewer units, and its matrices in sparse formats.

    Measured once for a model, number format, device, count of threads and machine, and kept; `again` measures
    anew. What the model is made of is kept with it: times of a plan are worked out from both. With the engine
    "llamacpp" GGUF files with the numbers `quantize` are timed in llama.cpp, and kept apart.
    """
    session.check_whole("Timing")
    if engine not in ENGINES:
        raise PruningError(f'"{engine}" is no engine. Choose one of {", ".join(ENGINES)}.')
    if engine == LLAMA_CPP:
        return _in_llama_cpp(session, again, quantize)
    loaded = session.loaded
    key = {
        "fingerprint": loaded.computed,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
    if results.inspected(session.store, loaded.reference, loaded.dtype) is None:
        inspect_model(session)
    value = None if again else session.store.get("latency", key)
    if value is None:
        units = _units(session)
        racing = session.stage("race", "Timing narrower models")
        table = measure_table(loaded.model, units, progress=racing)
        kernels = session.stage("kernels", "Timing sparse formats")
        value = {**table.to_dict(), "sparse": sparse_kernels(loaded.model, loaded.groups, progress=kernels)}
        session.store.put("latency", key, value)
    return value


def _units(session: Session) -> Units:
    try:
        return units_of(session, "heads")
    except PruningError:
        # Heads do not come apart in every family; neurons and layers still do.
        return units_of(session, "neurons")


def _in_llama_cpp(session: Session, again: bool, quantize: str) -> dict[str, Any]:
    """The same of GGUF files; llama.cpp has no sparse formats."""
    check_installed()
    check_format(quantize)
    loaded, threads = session.loaded, torch.get_num_threads()
    key = {
        "fingerprint": loaded.computed,
        "dtype": quantize,
        "device": LLAMA_CPP,
        "threads": threads,
        "machine": machine(),
    }
    value = None if again else session.store.get("latency", key)
    if value is None:
        units, racing = _units(session), session.stage("race", "Timing narrower models")
        family = layout_of(loaded.model).family
        if not family.free_heads and family.by_layer is None:
            units = replace(units, heads={})  # their files have no place for fewer heads
        with racing_in_llama_cpp(loaded.model, loaded.tokenizer, quantize, threads) as race:
            table = measure_table(loaded.model, units, progress=racing, racing=race)
        value = {**replace(table, device=LLAMA_CPP).to_dict(), "sparse": []}
        session.store.put("latency", key, value)
    return value
