"""SNIP: as taylor, but with one threshold for the whole model."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given


@dataclass(frozen=True)
class Snip:
    """Σ |w · ∂L/∂w| over batches of calibration text, compared over the whole model (Lee et al. 2019, eq. 6).

    Higher = keep. One shot: the levels are asked for together and each group gets what the threshold gives
    it, but never more than the ceiling, which is 99 % unless it is set: so no group dies. A map shows what
    each group would cost alone at its level.
    """

    name: ClassVar[str] = "snip"
    scope: ClassVar[str] = "model"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from Σ |∂L/∂w|."""
        return weight.abs() * given(known, "gradients")
