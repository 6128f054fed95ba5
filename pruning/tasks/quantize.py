"""The task that quantizes the model, pruned and not, and says what each step costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from pruning.engine.architecture.forward import run
from pruning.engine.evaluation.metrics import compare
from pruning.engine.evaluation.quantization import METHODS, quantized, stored_bytes
from pruning.engine.evaluation.size import cut_bytes, dense_bytes, sparse_bytes
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.trainer import plain
from pruning.progress import Progress
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.context import Reference, reference_of, same_text
from pruning.tasks.context.recovered import applied_as_told
from pruning.workspace.store import Store


def quantize(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: Sequence[str] = (),
    criterion: str = "fisher",
    data: str = "demo",
    methods: Sequence[str] = tuple(METHODS),
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Quality and size of the dense model, the pruned one, and both quantized by each of `methods`.

    `settings`, `options` and `recovery` prune as in `measure`; without settings only the dense model is
    quantized. `file_bytes` counts all weights, `bytes` with zeros kept as one bit each. Nothing is written.
    """
    spec = spec_of(loaded, list(settings), criterion, data, options)
    reference = reference_of(loaded, data, progress)
    trained = None if recovery is None else dict(recovery)
    total = (1 + len(methods)) * (2 if spec.settings else 1)
    dense = {**plain(reference.quality), "kl": 0.0, "agreement": 1.0}
    rows: list[dict[str, Any]] = []

    def add(pruned: bool, method: str | None, row: dict[str, Any]) -> None:
        rows.append({"pruned": pruned, "method": method, **row})
        name = " and ".join(["pruned"] * pruned + ["quantized"] * (method is not None)) or "dense"
        progress(len(rows), total, f"Measured: {name}", {"row": rows[-1]})

    def add_quantized(pruned: bool) -> None:
        for method in methods:
            progress(len(rows), total, f"Quantizing: {method}")
            add(pruned, method, _of_copy(quantized(loaded.model, loaded.groups, method), reference))

    size = dense_bytes(loaded.model)
    add(False, None, {**dense, "file_bytes": size, "bytes": size})
    add_quantized(pruned=False)
    if spec.settings:
        with applied_as_told(loaded, store, spec, trained, progress) as change:
            add(True, None, {**_quality(loaded.model, reference), **_sizes(loaded, change)})
            add_quantized(pruned=True)
    value = {
        "rows": rows,
        "tokens": reference.quality.tokens,
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }
    key = {**same_text(loaded, data), **spec.key(), "methods": list(methods)}
    key |= {} if trained is None else {"recovery": trained}
    store.put("quantize", key, value)
    return value


def _of_copy(model: nn.Module, reference: Reference) -> dict[str, Any]:
    sizes = {"file_bytes": stored_bytes(model), "bytes": stored_bytes(model, zeros_as_bits=True)}
    return {**_quality(model, reference), **sizes}


def _quality(model: nn.Module, reference: Reference) -> dict[str, float]:
    states = run(model, reference.windows.evaluation)
    return plain(compare(reference.head, reference.hidden, states, reference.windows.evaluation))


def _sizes(loaded: Loaded, change: WeightChange) -> dict[str, int]:
    kept = (cut_bytes if change.units else sparse_bytes)(loaded.model, change.removed)
    return {"file_bytes": dense_bytes(loaded.model), "bytes": kept}
