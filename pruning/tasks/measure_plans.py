"""The task that measures many plans, each by itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pruning.engine.criteria import criterion as named_criterion
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import within
from pruning.sharing import Piece
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import UNIT_CRITERION
from pruning.tasks.measure import figures_now, measure, place_of, stored_figures

Asked = Mapping[str, Any]


def measure_plans(session: Session, plans: Sequence[Asked]) -> dict[str, Any]:
    """Measure plans, each stored as any measurement the moment it is done.

    What was measured before of just this plan, on this very text, is not measured again.

    Parameters
    ----------
    session
        The model, and the text they are measured on.
    plans
        Of each what `measure` takes: `settings`, `criterion`, `recovery` and options.

    Returns
    -------
    dict
        `plans`, the figures of each as `measure` has them, in the order asked for; how many were `measured`
        now.
    """
    specs = [_spec(session, asked) for asked in plans]
    recoveries = [asked.get("recovery") for asked in plans]
    values = [stored_figures(session, spec, how) for spec, how in zip(specs, recoveries, strict=True)]
    missing = [number for number, value in enumerate(values) if value is None]
    # Weights that training left are in this workspace alone.
    shared = [number for number in missing if recoveries[number] is None]
    for number, value in measure_each(session, [specs[number] for number in shared]):
        values[shared[number]] = value
    for number in missing:
        if recoveries[number] is not None:
            values[number] = measure(session, **plans[number])
    return {"plans": values, "measured": len(missing)}


def measure_each(session: Session, specs: Sequence[PruningSpec]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the figures of each plan on the session's text, once they are measured and stored."""
    if not specs:
        return
    if not session.each.here:
        _prepare(session, specs)
    many, done = len(specs), 0
    pieces = [
        Piece(f"plan {number + 1} of {many}", (number, many, spec)) for number, spec in enumerate(specs)
    ]

    def say(note: str) -> None:
        session.progress(done, many, note)

    for number, value in session.each(session, _measuring, pieces, say=say):
        session.store.put(*place_of(session, specs[number]), value)
        done += 1
        session.progress(done, many, f"Measured {done} of {many}", {"plan": value})
        yield number, value


def _measuring(session: Session) -> Callable[[tuple[int, int, PruningSpec]], dict[str, Any]]:
    """What measures one plan: the so manieth of how many."""

    def measured(asked: tuple[int, int, PruningSpec]) -> dict[str, Any]:
        number, many, spec = asked
        part = session.reporting(within(session.progress, number, many, f"Plan {number + 1} of {many}"))
        reference = part.reference_with_answers
        with applied(part, spec) as change:
            return figures_now(part, spec, change, reference)

    return measured


def _prepare(session: Session, specs: Sequence[PruningSpec]) -> None:
    """Make once, to be sent to the workers, what each of them would have to make."""
    session.reference_with_answers  # noqa: B018
    for spec in specs:
        method = named_criterion(spec.criterion)
        if spec.options.whole and method.updates:
            method = named_criterion(UNIT_CRITERION)
        if not method.updates:
            session.inputs_for(method)


def _spec(session: Session, asked: Asked) -> PruningSpec:
    given = {
        name: value for name, value in asked.items() if name not in ("settings", "criterion", "recovery")
    }
    return spec_of(session, asked["settings"], asked.get("criterion", "fisher"), given)
