"""Lottery tickets: train, prune, go back to the early weights, repeat; and chance in place of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.engine.masking.change import WeightChange
from pruning.engine.masking.masks import removed
from pruning.engine.recovery.student import Student
from pruning.engine.recovery.trainer import Recovery
from pruning.planning.recipe.plan import Group, Plan
from pruning.planning.recipe.schedules import plan_at
from pruning.planning.recipe.training import Training

Weights = dict[Group, torch.Tensor]
Masks = dict[Group, torch.Tensor]


@dataclass(frozen=True)
class Draw:
    """One network that was trained: what was removed before, its weights after, and how good it is."""

    name: str
    removed: Masks
    weights: Weights
    quality: Quality


def lottery(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    windows: torch.Tensor,
    evaluation: torch.Tensor,
    plan: Plan,
    training: Training,
    rounds: int = 3,
    rewind: int = 0,
    after_step: Callable[[int, int, str], None] = lambda done, total, name: None,
    after_draw: Callable[[Draw], None] = lambda draw: None,
) -> dict[str, Draw]:
    """Find the ticket of `plan` in `model`, and draw a random one: both as they are after training.

    In each round the network is trained on `windows` [n, length], the smallest of its trained weights go, and
    the others go back to what they were after `rewind` steps of the first round (Frankle & Carbin 2019; with
    rewind > 0 Frankle et al. 2020). Every round removes the same share of what is left. The control loses as
    many weights in every group, drawn by `training.seed`, and is trained from the same early weights. Quality
    is measured on `evaluation`; its KL is to `model` as it was given. The model is not changed.
    """
    student = Student(model, groups, WeightChange({}))
    dense = run(model, evaluation)
    total, done = (rounds + 2) * training.steps, 0
    early = student.weights()
    gone: Masks = {}
    draws: dict[str, Draw] = {}

    def trained(name: str, masks: Masks, keep_early: bool = False) -> Draw:
        nonlocal done, early
        student.remove(masks)
        student.put(early)
        recovery = Recovery(student, model, training)
        for step in range(training.steps):
            if keep_early and step == rewind:
                early = student.weights()
            recovery.advance(windows)
            done += 1
            after_step(done, total, name)
        states = run(student.model, evaluation)
        quality = compare(recovery.head, dense.to(states.dtype), states, evaluation)
        draw = Draw(name, masks, student.weights(), quality)
        after_draw(draw)
        return draw

    for turn in range(1, rounds + 1):
        name = "dense" if turn == 1 else f"round {turn - 1}"
        draws[name] = trained(name, gone, keep_early=turn == 1)
        gone = smallest(draws[name].weights, gone, plan_at("exponential", turn, rounds, plan))
        if turn > 1:
            del draws[name]
    draws["ticket"] = trained("ticket", gone)
    draws["random"] = trained("random", by_chance(gone, training.seed))
    return draws


def smallest(weights: Weights, gone: Masks, plan: Plan) -> Masks:
    """The smallest weights of each group, bool [out, in]; what is gone already counts first."""
    found = {}
    for key, level in plan.items():
        size = weights[key].abs()
        found[key] = removed(size.masked_fill(gone[key], -1.0) if key in gone else size, level, "group")
    return found


def by_chance(gone: Masks, seed: int) -> Masks:
    """As many weights of each group, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for key, mask in gone.items():
        order = torch.randperm(mask.numel(), generator=generator).to(mask.device)
        found[key] = mask.flatten()[order].reshape(mask.shape)
    return found
