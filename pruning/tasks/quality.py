"""The task that measures what a plan really costs."""

from typing import Any

from pruning.changes import Change, Spec
from pruning.cost import dense_bytes, sparse_bytes
from pruning.data import load_probes
from pruning.metrics import compare, probe_accuracy
from pruning.models import Loaded
from pruning.passes import run
from pruning.progress import Progress
from pruning.store import Store
from pruning.tasks.applying import applied, share_removed, spec_of
from pruning.tasks.prepare import Reference, reference_of, same_text


def measure(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: list[str],
    criterion: str = "fisher",
    data: str = "demo",
    **options: Any,
) -> dict[str, Any]:
    """Prune in memory as `settings` and `options` (see pruning.options) say, compare with the dense model,
    and put the weights back."""
    spec = spec_of(loaded, settings, criterion, data, options)
    reference = reference_of(loaded, data, progress)
    progress(1, 4, "Choosing the weights to remove")
    with applied(loaded, store, spec, progress) as change:
        return measure_now(loaded, store, spec, change, reference, progress)


def measure_now(
    loaded: Loaded, store: Store, spec: Spec, change: Change, reference: Reference, progress: Progress
) -> dict[str, Any]:
    """Measure and store what the model is while `applied` holds the change on it."""
    progress(2, 4, "Running the pruned model")
    pruned = run(loaded.model, reference.windows.evaluation)
    quality = compare(reference.head, reference.hidden, pruned, reference.windows.evaluation)
    progress(3, 4, "Answering the questions")
    probes = probe_accuracy(loaded.model, reference.head, loaded.tokenizer, load_probes())
    value = {
        "kl": quality.kl,
        "perplexity": quality.perplexity,
        "dense_perplexity": reference.quality.perplexity,
        "agreement": quality.agreement,
        "accuracy": quality.accuracy,
        "dense_accuracy": reference.quality.accuracy,
        "tokens": quality.tokens,
        "bytes": sparse_bytes(loaded.model, change.removed),
        "file_bytes": dense_bytes(loaded.model),
        "sparsity": share_removed(loaded, change),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }
    store.put("measure", {**same_text(loaded, spec.data), **spec.key()}, value)
    return value
