"""Movement: a weight matters as much as training moves it away from zero."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Movement:
    """−Σ w_ij · ∂L/∂w_ij over the steps of recovery training. Higher = keep.

    Positive where the weight grew in size. Compared within the group. Needs `movement`, the record that
    `add_step` keeps during training, so that it can only choose weights while recovery prunes.

    References
    ----------
    Sanh et al. 2020, Movement pruning: adaptive sparsity by fine-tuning, eq. 3, arXiv 2005.07683.
    """

    name: ClassVar[str] = "movement"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("movement",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from the record of training [out, in]."""
        return inputs.require("movement")


def add_step(record: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Add one training step to the record [out, in] of a weight, *in place*; all three have one shape."""
    return record.addcmul_(weight, gradient, value=-1)
