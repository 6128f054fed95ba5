"""Movement: a weight matters as much as training moves it away from zero."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given


@dataclass(frozen=True)
class Movement:
    """−Σ w · ∂L/∂w over the steps of recovery training, compared within the group (Sanh et al. 2020, eq. 3).

    Higher = keep: positive where the weight grew in size. It reads the record that `add_step` keeps during
    training, so it can only choose weights while recovery prunes.
    """

    name: ClassVar[str] = "movement"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("movement",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from the record of training."""
        return given(known, "movement")


def add_step(record: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Add one training step to the record [out, in] of a weight, *in place*; all three have one shape."""
    return record.addcmul_(weight, gradient, value=-1)
