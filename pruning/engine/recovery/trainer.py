"""Training a pruned copy of a model back towards the dense one, with what was removed held at zero."""

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

Removed = dict[Group, torch.Tensor]
Weights = dict[Group, torch.Tensor]
# Every so many windows one is kept back, to see how well what was learnt carries over.
KEPT_BACK = 8


@dataclass
class TrainingLog:
    """How training went so far, in plain data. A look is {step, kl, perplexity, agreement, accuracy}.

    `refitted` says whether the weights that stay were fitted anew before the first step; None: not tried.
    """

    step: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    looks: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    stale: int = 0
    stopped: bool = False
    refitted: bool | None = None


class Recovery:
    """One recovery on its way: the student, its optimizer and how far they are.

    `teacher` is the dense model, in eval mode, and is only read. With `moving`, the sum of −w · ∂L/∂w over
    all steps is kept in `movement` (Sanh et al. 2020), for the criterion of that name.
    """

    def __init__(
        self, student: Student, teacher: nn.Module, training: Training, moving: bool = False
    ) -> None:
        self.student, self.teacher, self.training = student, teacher, training
        self.head: Head = head_of(student.model)
        self.course = TrainingLog()
        self.optimizer = torch.optim.AdamW(
            student.trained.values(), lr=training.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        )
        nothing = {key: torch.zeros_like(one) for key, one in student.weights().items()} if moving else None
        self.movement: Removed | None = nothing

    def advance(self, windows: torch.Tensor) -> float:
        """One step of the optimizer on its share of the token windows [n, length]; returns the loss."""
        training, step = self.training, self.course.step
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
        self.course.step += 1
        self.course.losses.append({"step": self.course.step, "loss": loss})
        return loss

    def look(self, dense: torch.Tensor, windows: torch.Tensor) -> bool:
        """Note how good the student is on windows kept back; whether it is the best so far.

        `dense` are the teacher's states there. Before the whole plan is gone nothing counts as best.
        """
        course = self.course
        states = run(self.student.model, windows)
        quality = compare(self.head, dense.to(states.dtype), states, windows)
        course.looks.append({"step": course.step, **plain(quality)})
        if course.step <= self.training.pruned_by() and self.training.pruned_by() > 0:
            return False
        if course.best is None or quality.kl < course.best["kl"]:
            course.best, course.stale = course.looks[-1], 0
            return True
        course.stale += 1
        course.stopped = bool(self.training.patience) and course.stale >= self.training.patience
        return False

    def state(self) -> dict[str, Any]:
        """All that `resume` needs to go on from here."""
        return {
            "trained": {name: one.detach() for name, one in self.student.trained.items()},
            "removed": self.student.removed(),
            "optimizer": self.optimizer.state_dict(),
            "movement": self.movement,
            "course": asdict(self.course),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned, in a recovery that was set up alike."""
        self.student.remove(state["removed"])
        with torch.no_grad():
            for name, one in self.student.trained.items():
                one.copy_(state["trained"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.movement = state["movement"]
        self.course = TrainingLog(**state["course"])


def train(
    recovery: Recovery,
    windows: torch.Tensor,
    choose: Callable[[int], Removed],
    after_step: Callable[[float], None],
    after_look: Callable[[bool], None],
    written: torch.Tensor | None = None,
    refit: Callable[[], Weights] | None = None,
) -> None:
    """Train to the end, or until looks stop getting better.

    Most of `windows` [n, length] and all of `written` are learnt from; looks are at the rest of `windows`.

    `choose` names what is removed from a step on, where the schedule removes gradually. `after_step` gets the
    loss and `after_look` whether the student is the best so far; what they raise comes through, between two
    steps. `refit` gives weights [out, in] by group to begin with, which are taken if they are better.
    """
    training, course = recovery.training, recovery.course
    learnt, kept_back = split(windows)
    if written is not None:
        learnt = torch.cat([learnt, written])
    dense = run(recovery.teacher, kept_back)
    if not course.looks:
        after_look(recovery.look(dense, kept_back))
    if refit is not None and course.step == 0 and course.refitted is None:
        _begin_with(recovery, refit(), dense, kept_back, after_look)
    while course.step < training.steps and not course.stopped:
        if prunes_at(training.schedule, course.step, training.pruned_by(), training.prune_every):
            recovery.student.remove(choose(course.step))
        after_step(recovery.advance(learnt))
        if course.step % training.evaluate_every == 0 or course.step == training.steps:
            after_look(recovery.look(dense, kept_back))


def _begin_with(
    recovery: Recovery,
    weights: Weights,
    dense: torch.Tensor,
    kept_back: torch.Tensor,
    after_look: Callable[[bool], None],
) -> None:
    """Give the student these weights, unless windows kept back tell that its own are better."""
    course, before = recovery.course, recovery.student.weights()
    recovery.student.put(weights)
    course.refitted = recovery.look(dense, kept_back)
    if course.refitted:
        after_look(True)
    else:
        # As if it had not been tried: a look at what is undone must not count towards an early stop.
        recovery.student.put(before)
        course.looks.pop()
        course.stale, course.stopped = 0, False


def split(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows to learn from, and every eighth to look at; a single window serves for both."""
    if len(windows) < 2:
        return windows, windows
    chosen = torch.zeros(len(windows), dtype=torch.bool)
    chosen[KEPT_BACK - 1 :: KEPT_BACK] = True
    if not chosen.any():
        chosen[-1] = True
    return windows[~chosen], windows[chosen]


def batch(windows: torch.Tensor, training: Training, index: int) -> torch.Tensor:
    """The batch with number `index`: windows in an order that is drawn anew for each round through them.

    A pure function of the seed, so that training that is taken up again sees what it would have seen.
    """
    count = len(windows)
    wanted = range(index * training.batch, (index + 1) * training.batch)
    orders = {
        turn: torch.randperm(count, generator=torch.Generator().manual_seed(training.seed * 100_003 + turn))
        for turn in {number // count for number in wanted}
    }
    return windows[torch.stack([orders[number // count][number % count] for number in wanted])]


def plain(quality: Quality) -> dict[str, float]:
    """Quality as plain data."""
    return {
        "kl": quality.kl,
        "perplexity": quality.perplexity,
        "agreement": quality.agreement,
        "accuracy": quality.accuracy,
    }
