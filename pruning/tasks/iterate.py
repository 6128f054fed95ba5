"""Tasks that prune more and more: to the end of a budget, or as a lottery with a control beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pruning.engine.calibration.data import load_windows
from pruning.engine.recovery.lottery_ticket import Draw, LotterySpec, lottery
from pruning.engine.recovery.trainer import plain
from pruning.errors import PruningError
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Plan, check_level, format_level
from pruning.planning.recipe.schedules import ONE_SHOT
from pruning.planning.recipe.training import Training
from pruning.progress import within
from pruning.tasks.context.session import Session
from pruning.tasks.measure import measure
from pruning.tasks.recover import TRAINING_TOKENS, recover

LEVELS = tuple(tenths / 10 for tenths in range(1, 10))
TICKET = {"loss": "task"}


def progressive(
    session: Session,
    levels: Sequence[float] = LEVELS,
    max_kl: float | None = None,
    max_perplexity: float | None = None,
    criterion: str = "fisher",
    recovery: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure all groups at one level after another, until KL or perplexity goes over the budget.

    With `recovery`, a level that is over the budget is trained, and counts as it is then. Every level starts
    from the dense model; what was measured or trained before is taken from the workspace, where the schedule
    itself is kept as well while it grows. `best` is the last row within the budget, None if there is none;
    `ended` says what stopped it, "budget" or "levels", and is None as long as nothing has.
    """
    session.check_whole("Training")
    budget = {"kl": max_kl, "perplexity": max_perplexity}
    if not any(budget.values()):
        raise PruningError("A ladder needs an end. Give the most KL (max_kl) or perplexity (max_perplexity).")
    rungs = sorted({check_level(float(level), "Levels") for level in levels} - {0.0})
    if not rungs:
        raise PruningError("A ladder needs levels above 0, such as 0.1:0.9:0.1.")
    key = {
        **session.text_key,
        "levels": rungs,
        "criterion": canonical_criterion(criterion),
        **budget,
        **MaskOptions.of(options).changed(),
        "recovery": None if recovery is None else Training.of(recovery).changed(),
    }
    rows: list[dict[str, Any]] = []
    value: dict[str, Any] = {"rows": rows, "best": None, "ended": None, "budget": budget}
    for rung in rungs:
        part = session.reporting(within(session.progress, len(rows), len(rungs), f"{rung:.0%}"))
        plan = {"settings": [f"all={format_level(rung)}"], "criterion": criterion, **options}
        row = {"level": rung, **_chosen(measure(part, **plan)), "recovered": False}
        if _over(row, budget) and recovery is not None:
            trained = recover(part, **plan, recovery=recovery)
            row = {**row, **trained["recovered"], "recovered": True, "won_back": trained["won_back"]}
        rows.append(row)
        over = _over(row, budget)
        value["best"] = value["best"] if over else row
        value["ended"] = "budget" if over else "levels" if len(rows) == len(rungs) else None
        session.store.put("ladder", key, value)
        session.progress(len(rows), len(rungs), f"{rung:.0%}: KL {row['kl']:.3f}", {"row": row})
        if over:
            break
    return value


def _chosen(measured: dict[str, Any]) -> dict[str, Any]:
    names = ("settings", "kl", "perplexity", "dense_perplexity", "agreement", "accuracy", "sparsity", "bytes")
    return {name: measured[name] for name in names}


def _over(row: dict[str, Any], budget: dict[str, float | None]) -> bool:
    return any(most is not None and row[name] > most for name, most in budget.items())


def lottery_ticket(
    session: Session,
    settings: Sequence[str],
    rounds: int = 3,
    rewind: int = 0,
    recovery: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Find the lottery ticket of a plan on the calibration part of the text, and a random one beside it.

    `recovery` says how each round trains (see pruning.planning.recipe.training; the loss is the text's unless
    it names another), `rewind` to which step of the first round weights go back. `dense`, `ticket` and
    `random` are measured after the same training, on text that was not trained on.
    """
    session.check_whole("Training")
    training = Training.of({**TICKET, **(recovery or {})})
    plan = session.plan(settings)
    _check(plan, training, rounds, rewind)
    reference = session.reference
    request = {
        "settings": session.settings(plan),
        "rounds": rounds,
        "rewind": rewind,
        "recovery": training.changed(),
    }
    key = {**session.text_key, **request}
    stored = session.store.get("lottery", key)
    if stored is not None:
        return stored
    draws = _draws(session, plan, training, rounds, rewind)
    ticket = draws["ticket"]
    value = {
        **request,
        "untrained": plain(reference.quality),
        **{name: plain(draw.quality) for name, draw in draws.items()},
        "ticket_wins": ticket.quality.cross_entropy < draws["random"].quality.cross_entropy,
        "sparsity": sum(int(mask.sum()) for mask in ticket.removed.values())
        / sum(group.parameters for group in session.groups),
    }
    session.store.put("lottery", key, value)
    return value


def _draws(session: Session, plan: Plan, training: Training, rounds: int, rewind: int) -> Mapping[str, Draw]:
    """The dense network, the ticket and the random one, each trained and measured."""
    windows = load_windows(session.loaded.tokenizer, session.data, calibration_tokens=TRAINING_TOKENS)
    windows = replace(windows, evaluation=session.windows.evaluation)
    heard, step_of = session.stage("train", "Training"), (0, 1)

    def after_step(step: int, total: int, name: str) -> None:
        nonlocal step_of
        step_of = step, total
        heard(step, total, f"Training: {name}")

    def after_draw(draw: Draw) -> None:
        measured = {"draw": {"name": draw.name, **plain(draw.quality)}}
        heard(*step_of, f"Measured: {draw.name}", measured)

    return lottery(
        session.model,
        session.groups,
        windows,
        LotterySpec(plan, training, rounds, rewind),
        after_step,
        after_draw,
    )


def _check(plan: Mapping[Any, float], training: Training, rounds: int, rewind: int) -> None:
    if not plan:
        raise PruningError("The plan removes nothing, so there is no ticket to find. Give levels above 0.")
    if training.schedule != ONE_SHOT or training.lora:
        raise PruningError(
            "A lottery prunes between its rounds and trains whole weights. Leave schedule and lora out."
        )
    if rounds < 1 or not 0 <= rewind < training.steps:
        raise PruningError(
            f"{rounds} rounds that go back to step {rewind} of {training.steps} cannot be. Give at least 1 "
            "round, and a step before the last."
        )
