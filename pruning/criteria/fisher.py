"""Fisher: a weight matters as much as its removal is forecast to change the model's predictions."""

from dataclasses import dataclass
from typing import ClassVar

import torch


@dataclass(frozen=True)
class Fisher:
    """w_ij² · A_jj · G_ii, compared within the group. Higher = keep.

    The diagonal of the Kronecker-factored Fisher information (Martens & Grosse 2015) in the second-order
    loss of removing a weight (LeCun et al. 1989). Ranked within a group only: over the whole model it
    removes entire rows and heads.
    """

    name: ClassVar[str] = "fisher"
    scope: ClassVar[str] = "layer"
    needs_statistics: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Scores [out, in] from weight [out, in], mean x_j² [in] and mean g_i² [out]."""
        return weight.square() * inputs * outputs.unsqueeze(1)
