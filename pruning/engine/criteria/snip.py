"""SNIP: as taylor, but with one threshold for the whole model."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Snip:
    """Σ |w_ij · ∂L/∂w_ij| over batches of calibration text. Higher = keep.

    Compared over the whole model. Needs `gradients`; L is the mean cross-entropy of the next token. One shot:
    the levels are asked for together and each group gets what the threshold gives it, but never more than the
    ceiling, which is 99 % unless it is set: so no group dies. A map shows what each group would cost alone at
    its level.

    References
    ----------
    Lee et al. 2019, SNIP: Single-shot network pruning based on connection sensitivity, eq. 6,
    arXiv 1810.02340.
    """

    name: ClassVar[str] = "snip"
    scope: ClassVar[str] = "model"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from Σ |∂L/∂w| [out, in]."""
        return weight.abs() * inputs.require("gradients")
