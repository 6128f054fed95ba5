"""Recovery in words: what there is to choose, what cannot be combined, and how it went. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.schedules import ONE_SHOT
from pruning.planning.recipe.training import Training
from pruning.ui.text import format, labels
from pruning.wording import counted

LOSS = {"distill": "The unpruned model", "task": "The text", "both": "Both"}
LOSS_HELP = {
    "distill": "It learns to predict what the unpruned model predicts (distillation).",
    "task": "It learns to predict the next word of the text (fine-tuning). A step is quicker: the unpruned "
    "model need not run.",
    "both": "It learns from the sum of the two.",
}
LEARNS = {
    "distill": "distilled",
    "task": "learnt from the text",
    "both": "distilled and learnt from the text",
}
SCHEDULE = {"one_shot": "At once", "linear": "Linear", "cubic": "Cubic", "exponential": "Exponential"}
DRAW = {
    "untrained": "Unpruned, as it is",
    "dense": "Unpruned, trained as long",
    "ticket": "The ticket",
    "random": "A random ticket",
}


def how(training: Training) -> str:
    """How a recovery trains, in a few words."""
    parts = [counted(training.steps, "step"), LEARNS[training.loss]]
    if training.schedule != ONE_SHOT:
        parts.append(f"{SCHEDULE[training.schedule].lower()} schedule")
    if training.lora:
        parts.append(f"LoRA rank {training.lora}")
    if training.hidden:
        parts.append("with states between layers")
    if training.learning_rate != Training().learning_rate:
        parts.append(f"learning rate {training.learning_rate:g}")
    return ", ".join(parts)


def why_at_once(criterion: str, options: MaskOptions) -> str | None:
    """Why this cannot be taken away little by little, or None."""
    if options.whole:
        return "Whole units go at once."
    if criterion in labels.WITH_WEIGHT_UPDATE:
        return f"{labels.CRITERION_NAME[criterion]} changes the weights that stay, so they go at once."
    if options.pattern is not None:
        return f"The pattern {options.pattern} is all or nothing, so it goes at once."
    return None


def check_lora(rank: int, there: bool) -> None:
    """Raise PruningError for low-rank updates without the package they need."""
    if rank and not there:
        raise PruningError(
            "Low-rank updates need the package peft, which is not installed. Install it with "
            "pip install 'prunescope[lora]' and start the dashboard again, or set the rank to 0."
        )


def estimate(steps: int, step: tuple[float, bool] | None, before: float | None = None) -> str:
    """How long `steps` will take, where anything is known about it.

    `before`: the seconds until the first of them.
    """
    if step is None:
        return (
            "How long it takes is not known yet: nothing was trained here so far. The first steps will tell."
        )
    seconds, alike = step
    source = (
        "measured in an earlier training" if alike else "from an earlier training of another kind: roughly"
    )
    said = (
        f"{labels.FORECAST} about {format.seconds(steps * seconds)}: {counted(steps, 'step')} at "
        f"{_step(seconds)} each, {source}."
    )
    if before is None:
        return f"{said} What comes before the first step, and measuring, come on top."
    return f"{said} What comes before the first step took {format.seconds(before)} the last time."


def _step(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{1000 * seconds:.0f} ms"


def standing(value: Mapping[str, Any], steps: int, goes_on_from: int) -> str:
    """Where a recovery that was stopped stands, and what asking for it again does."""
    said = f"Stopped at step {value['steps']} of {steps}."
    best = value.get("best_step")
    said += " No weights are kept yet." if best is None else f" The best weights, of step {best}, are kept."
    if goes_on_from == 0:
        return f"{said} Nothing was saved to go on from, so it would start again."
    if goes_on_from < value["steps"]:
        return f"{said} It goes on from step {goes_on_from}, the last that was saved."
    return f"{said} It goes on from there."


def so_far(looks: Sequence[Mapping[str, float]], best: int | None, gradual: bool) -> str:
    """How quality moved along the looks of a training, on text kept back from it."""
    if not looks:
        return "The first look at quality comes with the first step."
    first, last = looks[0], looks[-1]
    if len(looks) == 1:
        return f"{labels.MEASURED} KL {format.kl(last['kl'])} nats per token before the first step."
    start = "before anything went" if gradual else "before training"
    said = (
        f"{labels.MEASURED} KL {format.kl(last['kl'])} nats per token at step {last['step']:.0f} "
        f"({format.kl(first['kl'])} {start}), perplexity {format.perplexity(last['perplexity'])}."
    )
    if best is None:
        return f"{said} Weights count as best once all of the plan is gone."
    return f"{said} Best so far: step {best}."


def fit(value: Mapping[str, Any]) -> str | None:
    """What the fit before the first step did, in a sentence; None where there was none."""
    refitted = value.get("refitted")
    if refitted is None:
        return None
    if not refitted:
        return "Fitting the weights that stay did not help on text kept back, so it was undone."
    before, after = (format.kl(look["kl"]) for look in value["looks"][:2])
    return (
        f"{labels.MEASURED} Fitting the weights that stay, before the first step, took KL from {before} "
        f"to {after} nats per token on text kept back."
    )


def verdict(value: Mapping[str, Any]) -> str:
    """What training won back, in a sentence or two."""
    before, after, dense = value["pruned"], value["recovered"], value["dense"]
    ends = f"Perplexity is {format.perplexity(after['perplexity'])}"
    unpruned = f"unpruned {format.perplexity(dense['perplexity'])}"
    if before is None:
        return (
            f"Training chose what goes while it went. {ends} ({unpruned}), KL {format.kl(after['kl'])} nats "
            "per token."
        )
    won = value["won_back"]
    ends += f" ({unpruned}, pruned {format.perplexity(before['perplexity'])})."
    if won <= 0:
        return (
            f"**Training won nothing back.** KL was {format.kl(before['kl'])} nats per token before and is "
            f"{format.kl(after['kl'])} now. {ends} More steps, or a lower learning rate, may help."
        )
    return f"**{format.percent(won)} of the KL that pruning cost is won back.** {ends}"


def ladder_end(value: Mapping[str, Any]) -> str:
    """Where a ladder stands or stopped, and why."""
    rows, best, budget = value["rows"], value["best"], value["budget"]
    limits = [f"KL {format.kl(budget['kl'])}"] if budget["kl"] is not None else []
    limits += [f"perplexity {format.perplexity(budget['perplexity'])}"] if budget["perplexity"] else []
    limit = " and ".join(limits)
    reached = "No level" if best is None else f"**{format.percent(best['level'])}**"
    if value["ended"] is None:
        return f"{reached} within the budget of {limit} so far; the ladder is not at its end."
    if value["ended"] == "levels":
        return f"{reached} is the last level of the ladder, and still within the budget of {limit}."
    over = rows[-1]
    figures = f"KL {format.kl(over['kl'])}, perplexity {format.perplexity(over['perplexity'])}"
    trained = ", even after training" if over["recovered"] else ""
    if best is None:
        level = format.percent(over["level"])
        return f"Not even {level} stays within the budget of {limit}: {figures}{trained}."
    return (
        f"{reached} is the most that stays within the budget of {limit}. It stopped at "
        f"{format.percent(over['level'])}: {figures}{trained}."
    )


def ticket_verdict(value: Mapping[str, Any]) -> str:
    """Whether the ticket beat chance, in words."""
    ticket, chance, dense = value["ticket"], value["random"], value["dense"]
    figures = (
        f"After the same training its perplexity is {format.perplexity(ticket['perplexity'])}, that of a "
        f"random ticket {format.perplexity(chance['perplexity'])}, and that of the unpruned model "
        f"{format.perplexity(dense['perplexity'])}."
    )
    gone = format.percent(value["sparsity"])
    if not value["ticket_wins"]:
        return f"**No winning ticket with {gone} gone: chance did as well or better.** {figures}"
    near = ticket["perplexity"] <= 1.05 * dense["perplexity"]
    said = "and keeps up with the unpruned model" if near else "but does not keep up with the unpruned model"
    return f"**The ticket with {gone} gone beats chance, {said}.** {figures}"
