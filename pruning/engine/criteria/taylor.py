"""Taylor: a weight matters as much as its removal changes the loss, to first order."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Taylor:
    """Σ |w_ij · ∂L/∂w_ij| over batches of calibration text. Higher = keep.

    Compared within the group. Needs `gradients`; L is the mean cross-entropy of the next token.

    References
    ----------
    Molchanov et al. 2017, Pruning convolutional neural networks for resource efficient inference,
    arXiv 1611.06440; Molchanov et al. 2019, Importance estimation for neural network pruning, eq. 8,
    arXiv 1906.10771.
    """

    name: ClassVar[str] = "taylor"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("gradients",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from Σ |∂L/∂w| [out, in]."""
        return weight.abs() * inputs.require("gradients")
