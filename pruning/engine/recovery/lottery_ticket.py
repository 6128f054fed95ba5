"""Lottery tickets: train, prune, rewind to the early weights, repeat; and a random ticket as the control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.calibration.data import Windows
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.engine.masking.change import WeightChange
from pruning.engine.masking.masks import removed
from pruning.engine.recovery.student import Student
from pruning.engine.recovery.trainer import Masks, Recovery, Weights
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.schedules import plan_at
from pruning.planning.recipe.training import Training


@dataclass(frozen=True)
class LotterySpec:
    """What a lottery does.

    Attributes
    ----------
    plan
        The sparsity of each group at the end.
    training
        How every round is trained.
    rounds
        Rounds of pruning; each prunes the same share of what the one before kept.
    rewind
        The step of the first round whose weights the kept ones are set back to; 0: the initial weights.
    """

    plan: Plan
    training: Training
    rounds: int = 3
    rewind: int = 0


@dataclass(frozen=True)
class Draw:
    """One network that was trained: its masks before, its weights after, and how good it is."""

    name: str
    removed: Masks
    weights: Weights
    quality: Quality


def lottery(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    windows: Windows,
    spec: LotterySpec,
    after_step: Callable[[int, int, str], None] = lambda done, total, name: None,
    after_draw: Callable[[Draw], None] = lambda draw: None,
) -> dict[str, Draw]:
    """Find the winning ticket of a plan in a model, and draw a random one: both as they are after training.

    In each round the network is trained, the smallest of its trained weights are pruned, and the others are
    rewound. The control has as many weights pruned in every group, drawn by the training's seed, and is
    trained from the same early weights.

    Parameters
    ----------
    model, groups
        The dense model, which is not changed, and its groups.
    windows
        Trained on are its calibration windows; quality is measured on its evaluation windows, KL to `model`
        as it was given.
    spec
        The plan, the training, and how often to prune and how far to rewind.
    after_step
        Told of steps done, their number in all rounds together, and the draw's name.
    after_draw
        Given each network once it is trained.

    Returns
    -------
    The draws "dense", "ticket" and "random".

    References
    ----------
    Frankle & Carbin 2019, "The Lottery Ticket Hypothesis", arXiv 1803.03635. With rewind > 0: Frankle et al.
    2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis", arXiv 1912.05671.
    """
    network = _Network(model, groups, windows, spec, after_step)
    masks: Masks = {}
    draws: dict[str, Draw] = {}
    for turn in range(1, spec.rounds + 1):
        draw = network.train("dense" if turn == 1 else f"round {turn - 1}", masks, first=turn == 1)
        after_draw(draw)
        masks = smallest(draw.weights, masks, plan_at("exponential", turn, spec.rounds, spec.plan))
        if turn == 1:
            draws["dense"] = draw
    for name, ticket in (("ticket", masks), ("random", by_chance(masks, spec.training.seed))):
        draws[name] = network.train(name, ticket)
        after_draw(draws[name])
    return draws


class _Network:
    """The one network that is trained again and again, and the early weights it is rewound to."""

    def __init__(
        self,
        model: nn.Module,
        groups: Sequence[GroupInfo],
        windows: Windows,
        spec: LotterySpec,
        after_step: Callable[[int, int, str], None],
    ) -> None:
        self.model, self.windows, self.spec, self.after_step = model, windows, spec, after_step
        self.student = Student(model, groups, WeightChange({}))
        self.early = self.student.weights()
        self.teacher_states = run(model, windows.evaluation)
        self.done, self.total = 0, (spec.rounds + 2) * spec.training.steps

    def train(self, name: str, masks: Masks, first: bool = False) -> Draw:
        """Train from the early weights with these masks; the first time, note what the early weights are."""
        training = self.spec.training
        self.student.remove(masks)
        self.student.put(self.early)
        recovery = Recovery(self.student, self.model, training)
        for step in range(training.steps):
            if first and step == self.spec.rewind:
                self.early = self.student.weights()
            recovery.advance(self.windows.calibration)
            self.done += 1
            self.after_step(self.done, self.total, name)
        states = run(self.student.model, self.windows.evaluation)
        teacher_states = self.teacher_states.to(states.dtype)
        quality = compare(recovery.head, teacher_states, states, self.windows.evaluation)
        return Draw(name, masks, self.student.weights(), quality)


def smallest(weights: Weights, masks: Masks, plan: Plan) -> Masks:
    """The smallest weights of each group, bool [out, in]; those pruned already, in `masks`, count first."""
    chosen = {}
    for key, level in plan.items():
        size = weights[key].abs()
        chosen[key] = removed(size.masked_fill(masks[key], -1.0) if key in masks else size, level, "group")
    return chosen


def by_chance(masks: Masks, seed: int) -> Masks:
    """As many weights of each group, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for key, mask in masks.items():
        order = torch.randperm(mask.numel(), generator=generator).to(mask.device)
        drawn[key] = mask.flatten()[order].reshape(mask.shape)
    return drawn
