"""Tasks that look at variants of a model, pruned or not: left early, and quantized."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.evaluation.early_exit import at_confidence, at_depth, exits
from pruning.engine.evaluation.metrics import compare
from pruning.engine.evaluation.quantization import METHODS, quantized, stored_bytes
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.recovery.trainer import plain
from pruning.errors import PruningError
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.recovered import applied_spec
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import sizes, why_not_smaller
from pruning.tasks.export import cut_copy

THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)


def early_exit(
    session: Session,
    settings: Sequence[str] = (),
    criterion: str = "fisher",
    thresholds: Sequence[float] = THRESHOLDS,
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """How good the model is when it is left after each layer, and when each token leaves once it is sure.

    `settings`, `options` and `recovery` prune the model first, as in `measure`. `depths` has a row for every
    number of layers, `sure` one for every threshold with the layers used on average; KL is to the whole dense
    model. What it costs to look at the predictions after each layer is not counted.
    """
    limits = sorted({float(threshold) for threshold in thresholds})
    if not limits or limits[0] <= 0 or limits[-1] > 1:
        raise PruningError("A threshold is a probability. Give numbers above 0, up to 1, such as 0.5,0.9.")
    spec = spec_of(session, settings, criterion, options)
    reference = session.reference
    with applied_spec(session, spec, recovery):
        heard = session.stage("exits", "Looking after every layer")
        looks = exits(
            session.model,
            reference.head,
            reference.hidden,
            reference.windows.evaluation,
            lambda done, total: heard(done, total, "Looking after every layer"),
        )
    layers = looks.kl.shape[0]
    left = [(threshold, *at_confidence(looks, threshold)) for threshold in limits]
    value = {
        "layers": layers,
        "dense": plain(reference.quality),
        "depths": [{"depth": depth, **plain(at_depth(looks, depth))} for depth in range(1, layers + 1)],
        "sure": [
            {"threshold": threshold, "layers": used, "share": used / layers, **plain(quality)}
            for threshold, used, quality in left
        ],
        **_about(spec, reference),
    }
    session.store.put("early_exit", {**_key(session, spec, recovery), "thresholds": limits}, value)
    return value


def quantize(
    session: Session,
    settings: Sequence[str] = (),
    criterion: str = "fisher",
    methods: Sequence[str] = tuple(METHODS),
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Quality and size of the dense model, the pruned one, and both quantized by each of `methods`.

    `settings`, `options` and `recovery` prune as in `measure`; without settings only the dense model is
    quantized. Whole units are cut out first, where what is left can be written so. `file_bytes` are those of
    an ordinary file, `bytes` of a compact one. Nothing is written.
    """
    session.check_whole("Quantizing")
    spec = spec_of(session, settings, criterion, options)
    reference = session.reference
    total = (1 + len(methods)) * (2 if spec.settings else 1)
    dense = {**plain(reference.quality), "kl": 0.0, "agreement": 1.0}
    rows: list[dict[str, Any]] = []

    def add(pruned: bool, method: str | None, row: dict[str, Any]) -> None:
        rows.append({"pruned": pruned, "method": method, **row})
        name = " and ".join(["pruned"] * pruned + ["quantized"] * (method is not None)) or "dense"
        session.progress(len(rows), total, f"Measured: {name}", {"row": rows[-1]})

    def add_quantized(pruned: bool, model: nn.Module) -> None:
        groups = find_groups(model)
        heard = session.stage("quantize", "Quantizing")
        for number, method in enumerate(methods):
            heard(number, len(methods), f"Quantizing: {method}")
            add(pruned, method, _of_copy(quantized(model, groups, method), reference))

    size = dense_bytes(session.model, session.loaded.weight_bytes)
    add(False, None, {**dense, "file_bytes": size, "bytes": size})
    add_quantized(False, session.model)
    if spec.settings:
        with applied_spec(session, spec, recovery) as change:
            session.stage("evaluate", "Running the pruned model")
            add(True, None, {**_quality(session.model, reference), **sizes(session, spec, change)})
            cut = spec.options.whole and why_not_smaller(session, spec) is None
            add_quantized(True, cut_copy(session, spec, change, reference) if cut else session.model)
    value = {"rows": rows, **_about(spec, reference)}
    session.store.put("quantize", {**_key(session, spec, recovery), "methods": list(methods)}, value)
    return value


def _about(spec: PruningSpec, reference: Reference) -> dict[str, Any]:
    """The part of a result that says what was done, and on how much of which text."""
    return {
        "tokens": reference.quality.tokens,
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }


def _key(session: Session, spec: PruningSpec, recovery: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**session.key, **spec.key(), **({} if recovery is None else {"recovery": dict(recovery)})}


def _of_copy(model: nn.Module, reference: Reference) -> dict[str, Any]:
    sizes = {"file_bytes": stored_bytes(model), "bytes": stored_bytes(model, zeros_as_bits=True)}
    return {**_quality(model, reference), **sizes}


def _quality(model: nn.Module, reference: Reference) -> dict[str, float]:
    states = run(model, reference.windows.evaluation)
    return plain(compare(reference.head, reference.hidden, states, reference.windows.evaluation))
