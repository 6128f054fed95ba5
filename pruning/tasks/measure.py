"""The task that measures what a plan really costs."""

from typing import Any

from pruning.engine.architecture.forward import run
from pruning.engine.calibration.data import load_probes
from pruning.engine.evaluation.metrics import Quality, compare, probe_accuracy
from pruning.engine.evaluation.size import cut_bytes, dense_bytes, sparse_bytes
from pruning.engine.masking.change import WeightChange
from pruning.engine.models.load import Loaded
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import Progress
from pruning.tasks.context.apply import applied, share_removed, spec_of
from pruning.tasks.context.context import Reference, reference_of, same_text
from pruning.tasks.context.recovered import applied_as_told, trained_steps
from pruning.tasks.context.units import why_not_smaller
from pruning.workspace.store import Store


def measure(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: list[str],
    criterion: str = "fisher",
    data: str = "demo",
    recovery: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Prune in memory as `settings` and `options` (see pruning.planning.recipe.mask_options) say, compare
    with the dense model, and put the weights back.

    With `recovery` (see pruning.planning.recipe.training) the weights are those that `recover` made of it.
    Where units go whole, `not_smaller` says why the result cannot be exported as a smaller model, or is
    None."""
    spec = spec_of(loaded, settings, criterion, data, options)
    reference = reference_of(loaded, data, progress)
    progress(1, 4, "Choosing the weights to remove")
    with applied_as_told(loaded, store, spec, recovery, progress) as change:
        return measure_now(loaded, store, spec, change, reference, progress, recovery)


def quality_of(loaded: Loaded, store: Store, progress: Progress, spec: PruningSpec) -> Quality:
    """How far the model is from the dense one on the evaluation text, pruned as `spec` says; not stored."""
    reference = reference_of(loaded, spec.data, progress)
    with applied(loaded, store, spec, progress):
        pruned = run(loaded.model, reference.windows.evaluation)
    return compare(reference.head, reference.hidden, pruned, reference.windows.evaluation)


def measure_now(
    loaded: Loaded,
    store: Store,
    spec: PruningSpec,
    change: WeightChange,
    reference: Reference,
    progress: Progress,
    recovery: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure and store what the model is while `applied_as_told` holds the change on it."""
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
        "bytes": (cut_bytes if change.units else sparse_bytes)(loaded.model, change.removed),
        "file_bytes": dense_bytes(loaded.model),
        "sparsity": share_removed(loaded, change),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }
    if spec.options.whole:
        value["not_smaller"] = why_not_smaller(loaded, spec)
    if recovery is not None:
        value["recovery"] = recovery
        value["best_step"] = trained_steps(loaded, store, spec, recovery, reference)
    kind, key = place_of(loaded, spec, recovery)
    store.put(kind, key, value)
    return value


def place_of(
    loaded: Loaded, spec: PruningSpec, recovery: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """Kind and key of the stored measurement. What was trained is a kind of its own: forecasts learn from
    the other, and they know nothing of training."""
    key = {**same_text(loaded, spec.data), **spec.key()}
    return ("measure", key) if recovery is None else ("measure_recovered", {**key, "recovery": recovery})
