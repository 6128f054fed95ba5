"""The task that shows in under a minute what a smaller model would be: one plan, its figures, one answer."""

from dataclasses import replace
from typing import Any

from pruning.errors import PruningError
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.recipe.mask_options import MIXED
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.generate import dense_answer, pruned_answer
from pruning.tasks.inspect import inspect_model
from pruning.tasks.measure import figures_now
from pruning.tasks.optimize import solve
from pruning.workspace import results

PROMPT = "Explain in two sentences why the sky is blue."
# A quarter of what a measurement fits to: the walk through the layers is most of its time.
FITTING_TOKENS = 4096


def first_look(
    session: Session, smaller: float = 0.2, prompt: str = PROMPT, max_new_tokens: int = 60
) -> dict[str, Any]:
    """Find the plan of least forecast damage whose file is so much smaller, measure it, and let both answer.

    What stays is fitted to 4,096 tokens in place of 16,384, so that the figures are stored apart: no forecast
    learns from them, and `measure` gives others, as a rule a little better.

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
        As `measure`, with `smaller`, `dense_bytes`, `fitting_tokens`, and both answers in `answer`.

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
    reference = session.reference_with_answers
    quick = replace(session, fitting_tokens=FITTING_TOKENS)
    spec = spec_of(quick, plan, "fisher", {})
    session.stage("answer", "The unpruned model answers")
    dense = dense_answer(session.loaded, prompt, max_new_tokens)
    with applied(quick, spec) as change:
        figures = figures_now(quick, spec, change, reference)
        session.stage("answer", "The pruned model answers")
        answer = pruned_answer(session.loaded, spec, dense, prompt, max_new_tokens)
    return {
        **figures,
        "smaller": smaller,
        "dense_bytes": whole,
        "fitting_tokens": FITTING_TOKENS,
        "answer": answer,
    }


def _facts(session: Session) -> dict[str, Any]:
    loaded = session.loaded
    return results.inspected(session.store, loaded.reference, loaded.dtype) or inspect_model(session)
