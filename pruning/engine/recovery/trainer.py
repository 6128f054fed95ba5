"""Recovery training of the student, a pruned copy of a model, with its pruned weights held at zero."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, head_of, run
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.engine.recovery.losses import backward
from pruning.engine.recovery.student import Student
from pruning.planning.recipe.plan import Group
from pruning.planning.recipe.schedules import prunes_at
from pruning.planning.recipe.training import Training

Masks = dict[Group, torch.Tensor]
Weights = dict[Group, torch.Tensor]
# Every so many windows one is held out, to see how well training carries over to other text.
HELD_OUT = 8


@dataclass
class TrainingLog:
    """How training went so far, in plain data; the names are those it is stored under.

    Attributes
    ----------
    step
        Optimizer steps done.
    losses
        {step, loss} of every step.
    looks
        {step, kl, perplexity, agreement, accuracy} of every evaluation on held-out text.
    best
        The evaluation with the lowest KL that counts.
    stale
        Evaluations since then.
    stopped
        Whether `stale` reached the training's patience.
    refitted
        Whether the kept weights were refitted before the first step; None: it was not tried.
    """

    step: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    looks: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    stale: int = 0
    stopped: bool = False
    refitted: bool | None = None


class Recovery:
    """One recovery under way: the student, its optimizer and how far they are.

    Parameters
    ----------
    student
        The pruned copy; what it holds at zero stays zero.
    teacher
        The dense model, in eval mode; it is only read.
    training
        Loss, steps and rates.
    moving
        Keep the sum of −w · ∂L/∂w over all steps in `movement` [out, in] by group, for the criterion of that
        name (Sanh et al. 2020, "Movement Pruning", arXiv 2005.07683).
    """

    def __init__(
        self, student: Student, teacher: nn.Module, training: Training, moving: bool = False
    ) -> None:
        self.student, self.teacher, self.training = student, teacher, training
        self.head: Head = head_of(student.model)
        self.log = TrainingLog()
        self.optimizer = torch.optim.AdamW(
            student.trained.values(), lr=training.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        )
        self.movement: Weights | None = None
        if moving:
            self.movement = {key: torch.zeros_like(weight) for key, weight in student.weights().items()}

    def advance(self, windows: torch.Tensor) -> float:
        """One step of the optimizer on its batches of the token windows [n, length]; returns the loss."""
        training, step = self.training, self.log.step
        loss = 0.0
        for piece in range(training.accumulate):
            ids = batch(windows, training, step * training.accumulate + piece)
            share = 1 / training.accumulate
            loss += share * backward(self.student.model, self.teacher, self.head, ids, training, share)
        if self.movement is not None:
            self.student.follow(self.movement)
        self.student.mask_gradients()
        torch.nn.utils.clip_grad_norm_(self.student.trained.values(), training.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = training.rate_at(step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.student.hold()
        self.log.step += 1
        self.log.losses.append({"step": self.log.step, "loss": loss})
        return loss

    def evaluate(self, teacher_states: torch.Tensor, windows: torch.Tensor) -> bool:
        """Log how good the student is on held-out windows [n, length]; whether it is the best so far.

        `teacher_states` [n, length, hidden] are the dense model's there. Until the whole plan has been pruned
        nothing counts as best.
        """
        log = self.log
        states = run(self.student.model, windows)
        quality = compare(self.head, teacher_states.to(states.dtype), states, windows)
        log.looks.append({"step": log.step, **plain(quality)})
        if log.step <= self.training.pruned_by() and self.training.pruned_by() > 0:
            return False
        if log.best is None or quality.kl < log.best["kl"]:
            log.best, log.stale = log.looks[-1], 0
            return True
        log.stale += 1
        log.stopped = bool(self.training.patience) and log.stale >= self.training.patience
        return False

    def state(self) -> dict[str, Any]:
        """All that `resume` needs to go on from here, under the names of stored files."""
        return {
            "trained": {name: weight.detach() for name, weight in self.student.trained.items()},
            "removed": self.student.removed(),
            "optimizer": self.optimizer.state_dict(),
            "movement": self.movement,
            "course": asdict(self.log),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned, *in place*, in a recovery that was set up alike."""
        self.student.remove(state["removed"])
        with torch.no_grad():
            for name, weight in self.student.trained.items():
                weight.copy_(state["trained"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.movement = state["movement"]
        self.log = TrainingLog(**state["course"])


def no_masks(step: int) -> Masks:
    """Nothing is pruned on the way: all of it was before the first step."""
    return {}


def ignore(value: Any) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class TrainingHooks:
    """What `train` calls on its way; what they raise comes through, between two steps.

    Attributes
    ----------
    choose
        Names what is pruned from a step on, bool [out, in] by group, where the schedule prunes gradually.
    after_step
        Gets the step's loss.
    after_evaluation
        Gets whether the student is the best so far.
    refit
        Gives weights [out, in] by group to begin with, which are taken if they are better.
    """

    choose: Callable[[int], Masks] = no_masks
    after_step: Callable[[float], None] = ignore
    after_evaluation: Callable[[bool], None] = ignore
    refit: Callable[[], Weights] | None = None


def train(
    recovery: Recovery,
    windows: torch.Tensor,
    hooks: TrainingHooks,
    generated: torch.Tensor | None = None,
) -> None:
    """Train to the end, or until evaluations stop getting better; the student changes *in place*.

    Parameters
    ----------
    recovery
        Where it is now: at the start, or resumed.
    windows
        Token windows [n, length]; those that `split` holds out are evaluated on, the others trained on.
    generated
        Self-generated windows [m, length] to train on as well.
    """
    training, log = recovery.training, recovery.log
    trained_on, held_out = split(windows)
    if generated is not None:
        trained_on = torch.cat([trained_on, generated])
    teacher_states = run(recovery.teacher, held_out)
    if not log.looks:
        hooks.after_evaluation(recovery.evaluate(teacher_states, held_out))
    if hooks.refit is not None and log.step == 0 and log.refitted is None:
        better = _begin_with(recovery, hooks.refit(), teacher_states, held_out)
        if better:
            hooks.after_evaluation(True)
    while log.step < training.steps and not log.stopped:
        if prunes_at(training.schedule, log.step, training.pruned_by(), training.prune_every):
            recovery.student.remove(hooks.choose(log.step))
        hooks.after_step(recovery.advance(trained_on))
        if log.step % training.evaluate_every == 0 or log.step == training.steps:
            hooks.after_evaluation(recovery.evaluate(teacher_states, held_out))


def _begin_with(
    recovery: Recovery, weights: Weights, teacher_states: torch.Tensor, held_out: torch.Tensor
) -> bool:
    """Give the student these weights, *in place*, unless its own are better on held-out windows."""
    log, before = recovery.log, recovery.student.weights()
    recovery.student.put(weights)
    better = log.refitted = recovery.evaluate(teacher_states, held_out)
    if not better:
        # As if it had not been tried: an evaluation of what is undone must not count towards an early stop.
        recovery.student.put(before)
        log.looks.pop()
        log.stale, log.stopped = 0, False
    return better


def split(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows to train on, and every eighth held out to evaluate on; a single window serves for both."""
    if len(windows) < 2:
        return windows, windows
    held_out = torch.zeros(len(windows), dtype=torch.bool)
    held_out[HELD_OUT - 1 :: HELD_OUT] = True
    if not held_out.any():
        held_out[-1] = True
    return windows[~held_out], windows[held_out]


def batch(windows: torch.Tensor, training: Training, index: int) -> torch.Tensor:
    """The batch with number `index`: windows in an order that is drawn anew for each round through them.

    A pure function of the seed, so that training that is taken up again sees what it would have seen.
    """
    count = len(windows)
    numbers = range(index * training.batch, (index + 1) * training.batch)
    orders = {
        turn: torch.randperm(count, generator=torch.Generator().manual_seed(training.seed * 100_003 + turn))
        for turn in {number // count for number in numbers}
    }
    return windows[torch.stack([orders[number // count][number % count] for number in numbers])]


def plain(quality: Quality) -> dict[str, float]:
    """Quality as plain data."""
    return {
        "kl": quality.kl,
        "perplexity": quality.perplexity,
        "agreement": quality.agreement,
        "accuracy": quality.accuracy,
    }
