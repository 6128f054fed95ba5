"""Fisher: a weight matters as much as its removal is forecast to change the model's predictions."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given


@dataclass(frozen=True)
class Fisher:
    """w_ij² · A_jj · G_ii, compared within the group. Higher = keep.

    The diagonal of the Kronecker-factored Fisher information (Martens & Grosse 2015) in the second-order
    loss of removing a weight (LeCun et al. 1989). Ranked within a group only: over the whole model it
    removes entire rows and heads.
    """

    name: ClassVar[str] = "fisher"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("inputs", "outputs")
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from mean x_j² and mean g_i²."""
        return weight.square() * given(known, "inputs") * given(known, "outputs").unsqueeze(1)
