"""The task that measures what a plan really costs."""

from typing import Any

from pruning.cost import dense_bytes, sparse_bytes
from pruning.criteria import criterion as named_criterion
from pruning.data import load_probes
from pruning.masks import masked, plan_masks
from pruning.metrics import compare, probe_accuracy
from pruning.models import Loaded
from pruning.passes import run
from pruning.plan import sparsity
from pruning.progress import Progress
from pruning.store import Store
from pruning.tasks.prepare import normal, reference_of, same_text, statistics_for


def measure(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: list[str],
    criterion: str = "fisher",
    data: str = "demo",
) -> dict[str, Any]:
    """Prune in memory as `settings` say, compare with the dense model, and put the weights back."""
    plan, spelled = normal(loaded, settings)
    chosen = named_criterion(criterion)
    known = statistics_for(loaded, store, data, chosen, progress)
    reference = reference_of(loaded, data, progress)
    progress(1, 4, "Choosing the weights to remove")
    masks = plan_masks(loaded.model, loaded.groups, chosen, plan, known)
    with masked(loaded.model, loaded.groups, masks):
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
        "bytes": sparse_bytes(loaded.model, masks),
        "file_bytes": dense_bytes(loaded.model),
        "sparsity": sparsity(plan, {(group.layer, group.kind): group.parameters for group in loaded.groups}),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "settings": spelled,
        "criterion": criterion,
        "data_fingerprint": reference.windows.fingerprint,
    }
    store.put("measure", {**same_text(loaded, data), "criterion": criterion, "settings": spelled}, value)
    return value
