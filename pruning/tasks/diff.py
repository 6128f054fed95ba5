"""The task that compares a model with another of its family: what was pruned, and how far it drifted."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.evaluation.difference import (
    GroupDifference,
    align_layers,
    check_comparable,
    compare_weights,
    drift,
)
from pruning.engine.evaluation.metrics import compare
from pruning.engine.models.load import load
from pruning.planning.imports.pruned_before import findings
from pruning.planning.recipe.plan import KINDS
from pruning.tasks.context.session import Session


def diff(
    session: Session, other: str, trust_remote_code: bool = False, allow_pickle: bool = False
) -> dict[str, Any]:
    """Compare the session's model with another of its family.

    Parameters
    ----------
    session
        The model as it was before; the text that drift is measured on.
    other
        A hub id, a folder or a GGUF file of what was made of it.
    trust_remote_code, allow_pickle
        As for the session's model.

    Returns
    -------
    dict
        What was `dropped`, every group's shapes and zeros, `drift` by layer of the other, KL and perplexities
        on the evaluation text, and `findings` in words.
    """
    loaded = session.loaded
    windows = session.windows
    heard = session.stage("diff", "Loading the other model")
    second = load(other, loaded.dtype, loaded.device, trust_remote_code, allow_pickle)
    check_comparable(session.model, second.model)
    heard(1, 4, "Comparing the weights")
    origin = align_layers(session.model, second.model, session.groups, second.groups)
    groups = compare_weights(session.model, second.model, session.groups, second.groups, origin)
    heard(2, 4, "Running both on the text")
    moved = drift(session.model, second.model, windows.evaluation, origin)
    heard(3, 4, "Comparing what they say")
    head = head_of(session.model)
    before, after = (run(model, windows.evaluation) for model in (session.model, second.model))
    quality = compare(head, before, after, windows.evaluation, other_head=head_of(second.model))
    dropped = sorted({group.layer for group in session.groups} - set(origin))
    return {
        "model": loaded.reference,
        "other": other,
        "dropped": dropped,
        "origin": origin,
        "groups": [asdict(group) for group in groups],
        "drift": [{"relative": relative, "cosine": cosine} for relative, cosine in moved],
        "kl": quality.kl,
        "perplexity": quality.perplexity,
        "dense_perplexity": compare(head, before, before, windows.evaluation).perplexity,
        "agreement": quality.agreement,
        "findings": _findings(dropped, groups),
        "data_fingerprint": windows.fingerprint,
    }


def _findings(dropped: Sequence[int], groups: Sequence[GroupDifference]) -> list[str]:
    """What is different, in words."""
    rows = {
        kind: [(group.other, group.other_shape, group.other_zeros) for group in groups if group.kind == kind]
        for kind in KINDS
    }
    before = {group.kind: group.shape for group in groups}
    return findings(rows, before, dropped)
