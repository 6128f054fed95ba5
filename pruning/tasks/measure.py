"""The task that measures what a plan really costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from pruning.engine.architecture.forward import run
from pruning.engine.calibration.data import load_probes
from pruning.engine.evaluation.metrics import Quality, compare, probe_hits, shares_right
from pruning.engine.masking.change import WeightChange
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks.context.answers import behaviour_now
from pruning.tasks.context.apply import applied, share_removed, spec_of
from pruning.tasks.context.recovered import applied_spec, trained_steps
from pruning.tasks.context.session import Reference, Session
from pruning.tasks.context.units import sizes, why_not_smaller
from pruning.workspace.results import stored


def measure(
    session: Session,
    settings: Sequence[str],
    criterion: str = "fisher",
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Prune in memory, compare with the dense model, and put the weights back.

    Parameters
    ----------
    session
        The model, and the text it is measured on.
    settings
        The plan, such as `["up=0.5", "down@0-3=0.1"]`; later ones win.
    criterion
        How weights are scored.
    recovery
        The weights are those that `recover` made of it; see `pruning.planning.recipe.training`.
    options
        See `pruning.planning.recipe.mask_options`.

    Returns
    -------
    dict
        KL to the dense model (nats per token), perplexity, agreement and accuracies (0..1), `sparsity`,
        sizes as `pruning.tasks.context.units.sizes`, `behaviour` (how its answers differ from the dense
        model's), and what was measured; a streamed model is asked nothing. Where units are pruned whole
        `not_smaller` says why the result cannot be exported as a smaller model, or is None.
    """
    spec = spec_of(session, settings, criterion, options)
    reference = session.reference_with_answers
    with applied_spec(session, spec, recovery) as change:
        return measure_now(session, spec, change, reference, recovery)


def quality_of(session: Session, spec: PruningSpec) -> Quality:
    """How far the model is from the dense one on the evaluation text, pruned as `spec` says; not stored."""
    reference = session.on(spec.data).reference
    with applied(session, spec):
        pruned = run(session.model, reference.windows.evaluation)
    return compare(reference.head, reference.hidden, pruned, reference.windows.evaluation)


def measure_now(
    session: Session,
    spec: PruningSpec,
    change: WeightChange,
    reference: Reference,
    recovery: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure and store what the model is while `applied_spec` holds the change on it.

    `reference` is given, because it can be made with the dense model alone; with the dense model's answers in
    it (`session.reference_with_answers`) the pruned one is asked the same.
    """
    value = figures_now(session, spec, change, reference, recovery)
    session.store.put(*place_of(session, spec, recovery), value)
    return value


def figures_now(
    session: Session,
    spec: PruningSpec,
    change: WeightChange,
    reference: Reference,
    recovery: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The same; nothing is stored."""
    value = text_figures(session, spec, change, reference)
    if not session.loaded.streamed:
        value |= _answered(session, reference)
    if recovery is not None:
        value["recovery"] = dict(recovery)
        value["best_step"] = trained_steps(session, spec, recovery)
    return value


def _answered(session: Session, reference: Reference) -> dict[str, Any]:
    """What `measure` finds out by asking the model, as it is now."""
    session.stage("questions", "Answering the questions")
    hits = probe_hits(session.model, reference.head, session.loaded.tokenizer, load_probes())
    probes = shares_right(load_probes(), hits)
    value: dict[str, Any] = {"probe_accuracy": probes.pop("all"), "probes": probes}
    if reference.answers is not None:
        value["behaviour"] = behaviour_now(session.loaded, reference.answers, hits, session.progress)
    return value


def text_figures(
    session: Session, spec: PruningSpec, change: WeightChange, reference: Reference
) -> dict[str, Any]:
    """What `measure` finds out on the text while the change is on the model; nothing is stored."""
    session.stage("evaluate", "Running the pruned model")
    pruned = run(session.model, reference.windows.evaluation)
    quality = compare(reference.head, reference.hidden, pruned, reference.windows.evaluation)
    value = {
        "kl": quality.kl,
        "perplexity": quality.perplexity,
        "dense_perplexity": reference.quality.perplexity,
        "agreement": quality.agreement,
        "accuracy": quality.accuracy,
        "dense_accuracy": reference.quality.accuracy,
        "tokens": quality.tokens,
        **sizes(session, spec, change),
        "sparsity": share_removed(session, change),
        "settings": list(spec.settings),
        "criterion": spec.criterion,
        **spec.options.changed(),
        "data_fingerprint": reference.windows.fingerprint,
    }
    if spec.options.whole:
        value["not_smaller"] = why_not_smaller(session, spec)
    return value


def stored_figures(
    session: Session, spec: PruningSpec, recovery: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """What was measured before of just this change, on this very text, after as many steps of training."""
    place = place_of(session, spec, recovery)
    figures = stored(session.store, *place, session.windows.fingerprint)
    if figures is None or recovery is None:
        return figures
    return figures if figures["best_step"] == trained_steps(session, spec, recovery) else None


def figures_of(
    session: Session, spec: PruningSpec, recovery: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was measured before of just this change, see `stored_figures`, or else is now."""
    found = stored_figures(session, spec, recovery)
    if found is not None:
        return found
    return measure(session, spec.settings, spec.criterion, recovery, **spec.options.changed())


def place_of(
    session: Session, spec: PruningSpec, recovery: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """Kind and key of the stored measurement. A recovered one is a kind of its own: forecasts are fitted to
    the other, and know nothing of training."""
    key = {**session.key, **spec.key()}
    if recovery is None:
        return "measure", key
    return "measure_recovered", {**key, "recovery": dict(recovery)}
