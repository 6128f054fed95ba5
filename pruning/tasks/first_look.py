"""The task that shows in under a minute what a smaller model would be: one plan, its figures, one answer."""

from dataclasses import replace
from typing import Any

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.evaluation.metrics import compare
from pruning.errors import PruningError
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.recipe.mask_options import MIXED
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.made import Reference
from pruning.tasks.context.session import Session
from pruning.tasks.generate import dense_answer, listener, pruned_answer
from pruning.tasks.inspect import inspect_model
from pruning.tasks.measure import text_figures
from pruning.tasks.optimize import solve
from pruning.workspace import results

PROMPT = "Explain in two sentences why the sky is blue."
# An eighth of what a measurement fits to: the walk through the layers is most of its time.
FITTING_TOKENS = 2048
# Of 256 tokens each: half of what a measurement is made on.
WINDOWS = 8


def first_look(
    session: Session, smaller: float = 0.2, prompt: str = PROMPT, max_new_tokens: int = 40
) -> dict[str, Any]:
    """Find the plan of least forecast damage whose file is so much smaller, measure it, and let both answer.

    To be quick it fits what stays to 2,048 tokens in place of 16,384, measures on at most 2,048, and asks no
    questions. Its figures are stored apart: no forecast learns from them, and `measure` gives others, as a
    rule better.

    Parameters
    ----------
    session
        The model and the text; its map is taken from the workspace or made now.
    smaller
        By which share of the unpruned file's bytes the pruned one is smaller, 0..0.9.
    prompt
        What the unpruned and the pruned model answer.
    max_new_tokens
        The longest that an answer gets.

    Returns
    -------
    dict
        As `measure` on the text alone, with `smaller`, `dense_bytes`, `fitting_tokens`, and in `answer` both
        answers.

    Raises
    ------
    PruningError
        For a share that cannot be, or an empty prompt.
    """
    if not 0 < smaller <= 0.9:
        raise PruningError(f"A file that is {smaller:g} smaller cannot be. Ask for 0.05 to 0.9.")
    if not prompt.strip():
        raise PruningError("The prompt is empty. Write a few words for the model to go on from.")
    asked = {**session.text_key, "smaller": smaller, "prompt": prompt, "max_new_tokens": max_new_tokens}
    found = session.store.get("first_look", asked)
    if found is None:
        found = _look(session, smaller, prompt, max_new_tokens)
        session.store.put("first_look", asked, found)
    return found


def _look(session: Session, smaller: float, prompt: str, max_new_tokens: int) -> dict[str, Any]:
    whole = plan_cost(parts_of(_facts(session)), {}).file_bytes
    plan = solve(session, [f"file_bytes={int(whole * (1 - smaller))}"], structure=MIXED)["settings"]
    reference = _reference(session)
    quick = replace(session, fitting_tokens=FITTING_TOKENS)
    spec = spec_of(quick, plan, "fisher", {})
    said = "The unpruned model answers"
    heard = listener(session.stage("answer", said), 0, 1, max_new_tokens, said)
    dense = dense_answer(session.loaded, prompt, max_new_tokens, heard)
    with applied(quick, spec) as change:
        figures = text_figures(quick, spec, change, reference)
        said = "The pruned model answers"
        heard = listener(session.stage("answer", said), 0, 1, max_new_tokens, said)
        key = {"prompt": prompt, "max_new_tokens": max_new_tokens, **spec.key()}
        answer = pruned_answer(session.loaded, reference.head, key, dense, heard)
    return {
        **figures,
        "data_fingerprint": session.windows.fingerprint,
        "smaller": smaller,
        "dense_bytes": whole,
        "fitting_tokens": FITTING_TOKENS,
        "answer": answer,
    }


def _reference(session: Session) -> Reference:
    """The dense model on the first windows of the evaluation text."""
    whole = session.windows
    windows = replace(whole, evaluation=whole.evaluation[:WINDOWS])
    session.stage("dense", "Running the dense model")
    head, hidden = head_of(session.model), run(session.model, windows.evaluation)
    return Reference(windows, head, hidden, compare(head, hidden, hidden, windows.evaluation))


def _facts(session: Session) -> dict[str, Any]:
    loaded = session.loaded
    return results.inspected(session.store, loaded.reference, loaded.dtype) or inspect_model(session)
