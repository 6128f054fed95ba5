"""The task that looks at leaving the model early."""

from collections.abc import Mapping, Sequence
from typing import Any

from pruning.engine.evaluation.early_exit import at_confidence, at_depth, exits
from pruning.engine.models.load import Loaded
from pruning.engine.recovery.trainer import plain
from pruning.errors import PruningError
from pruning.progress import Progress
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.context import reference_of, same_text
from pruning.tasks.context.recovered import applied_as_told
from pruning.workspace.store import Store

THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)


def early_exit(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    settings: Sequence[str] = (),
    criterion: str = "fisher",
    data: str = "demo",
    thresholds: Sequence[float] = THRESHOLDS,
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """How good the model is when it is left after each layer, and when each token leaves once it is sure.

    `settings`, `options` and `recovery` prune the model first, as in `measure`. `depths` has a row for every
    number of layers, `sure` one for every threshold with the layers used on average; KL is to the whole dense
    model. What it costs to look at the predictions after each layer is not counted.
    """
    chosen = sorted({float(one) for one in thresholds})
    if not chosen or chosen[0] <= 0 or chosen[-1] > 1:
        raise PruningError("A threshold is a probability. Give numbers above 0, up to 1, such as 0.5,0.9.")
    spec = spec_of(loaded, list(settings), criterion, data, options)
    reference = reference_of(loaded, data, progress)
    trained = None if recovery is None else dict(recovery)
    with applied_as_told(loaded, store, spec, trained, progress):
        found = exits(
            loaded.model,
            reference.head,
            reference.hidden,
            reference.windows.evaluation,
            lambda done, total: progress(done, total, "Looking after every layer"),
        )
    layers = found.kl.shape[0]
    left = [(threshold, *at_confidence(found, threshold)) for threshold in chosen]
    value = {
        "layers": layers,
        "dense": plain(reference.quality),
        "depths": [{"depth": depth, **plain(at_depth(found, depth))} for depth in range(1, layers + 1)],
        "sure": [
            {"threshold": threshold, "layers": used, "share": used / layers, **plain(quality)}
            for threshold, used, quality in left
        ],
        "tokens": reference.quality.tokens,
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }
    key = {**same_text(loaded, data), **spec.key(), "thresholds": chosen}
    key |= {} if trained is None else {"recovery": trained}
    store.put("early_exit", key, value)
    return value
