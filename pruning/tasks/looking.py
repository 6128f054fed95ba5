"""Tasks that look at a model: what it is made of, and how good it is."""

from typing import Any

from pruning.cost import dense_bytes, latency
from pruning.data import load_probes
from pruning.metrics import probe_accuracy
from pruning.models import Loaded
from pruning.progress import Progress
from pruning.store import Store
from pruning.tasks.prepare import reference_of, same_text


def inspect_model(loaded: Loaded, store: Store, progress: Progress) -> dict[str, Any]:
    """What the model is made of: counts of layers, parameters and groups."""
    config: Any = loaded.model.config
    text = config.get_text_config()
    value = {
        "reference": loaded.reference,
        "architecture": type(loaded.model).__name__,
        "fingerprint": loaded.fingerprint,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "prunable_parameters": sum(group.parameters for group in loaded.groups),
        "layers": 1 + max(group.layer for group in loaded.groups),
        "hidden_size": text.hidden_size,
        "vocabulary": text.vocab_size,
        "bytes": dense_bytes(loaded.model),
        "groups": [
            {
                "layer": group.layer,
                "kind": group.kind,
                "modules": [part.module for part in group.parts],
                "parameters": group.parameters,
            }
            for group in loaded.groups
        ],
    }
    store.put("inspect", {"reference": loaded.reference, "dtype": loaded.dtype}, value)
    return value


def baseline(loaded: Loaded, store: Store, progress: Progress, data: str = "demo") -> dict[str, Any]:
    """Measure the dense model: quality on `data` and on the questions, size, and speed on this machine."""
    reference = reference_of(loaded, data, progress)
    progress(1, 4, "Answering the questions")
    probes = probe_accuracy(loaded.model, reference.head, loaded.tokenizer, load_probes())
    progress(3, 4, "Timing")
    value = {
        "perplexity": reference.quality.perplexity,
        "accuracy": reference.quality.accuracy,
        "tokens": reference.quality.tokens,
        "bytes": dense_bytes(loaded.model),
        **latency(loaded.model),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "data_fingerprint": reference.windows.fingerprint,
    }
    store.put("baseline", same_text(loaded, data), value)
    return value
