"""Taylor: a weight matters as much as its removal changes the loss, to first order."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given


@dataclass(frozen=True)
class Taylor:
    """Σ |w · ∂L/∂w| over batches of calibration text (Molchanov et al. 2019, eq. 8).

    Compared within the group. Higher = keep. L is the mean cross-entropy of the next token.
    """

    name: ClassVar[str] = "taylor"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from Σ |∂L/∂w|."""
        return weight.abs() * given(known, "gradients")
