"""What a session works out of a model and a text, each part made once."""

from dataclasses import dataclass
from typing import Any

import torch

from pruning.engine.architecture.forward import Head
from pruning.engine.calibration.data import Windows
from pruning.engine.calibration.factors import Statistics
from pruning.engine.evaluation.behaviour import DenseAnswers
from pruning.engine.evaluation.metrics import Quality
from pruning.engine.masking.change import WeightChange
from pruning.planning.recipe.plan import Group


@dataclass(frozen=True)
class Reference:
    """The dense model on one text: `hidden` [n, length, hidden] on the evaluation windows, its quality.

    `answers` are what it says to the prompts and questions, None where nobody needs them.
    """

    windows: Windows
    head: Head
    hidden: torch.Tensor
    quality: Quality
    answers: DenseAnswers | None = None


@dataclass(frozen=True)
class SentText:
    """A text that another machine has read: its windows, and those that weights are fitted to [n, length]."""

    windows: Windows
    fitting: torch.Tensor


@dataclass
class Made:
    """The latest of each part for one model; what another text needs takes the place of what was there.

    `change`: the latest weight update, with all that decides it; whoever measures it often writes it next.
    `sent`: of a worker's session the text, which is not looked for on its own machine.
    """

    sent: SentText | None = None
    windows: Windows | None = None
    stamp: tuple[int, ...] | None = None
    reference: Reference | None = None
    answers: DenseAnswers | None = None
    statistics: Statistics | None = None
    gradients: tuple[str, dict[Group, torch.Tensor]] | None = None
    change: tuple[dict[str, Any], WeightChange] | None = None
