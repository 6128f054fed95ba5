"""Gradient: a weight matters as much as the loss is sensitive to it."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Gradient:
    """Σ |∂L/∂w_ij| over batches of calibration text. Higher = keep.

    Compared within the group. Needs `gradients`; L is the mean cross-entropy of the next token. The size of
    the weight plays no part, which makes this a poor judge of what can be set to zero; taylor takes it in.

    References
    ----------
    Mozer & Smolensky 1989, Skeletonization: sensitivity of the loss as relevance.
    """

    name: ClassVar[str] = "gradient"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from Σ |∂L/∂w| [out, in]."""
        return inputs.require("gradients")
