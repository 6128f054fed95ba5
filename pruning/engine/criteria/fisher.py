"""Fisher: a weight matters as much as its removal is forecast to change the model's predictions."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Fisher:
    """w_ij² · A_jj · G_ii with A = mean x xᵀ and G = mean g gᵀ. Higher = keep.

    Compared within the group. Needs `inputs` and `outputs`. It is the second-order loss of removing a weight
    under a diagonal, Kronecker-factored Fisher information (K-FAC). Ranked within a group only: over the
    whole model it removes entire rows and heads.

    References
    ----------
    LeCun et al. 1989, Optimal Brain Damage; Martens & Grosse 2015, Optimizing neural networks with
    Kronecker-factored approximate curvature, arXiv 1503.05671.
    """

    name: ClassVar[str] = "fisher"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("inputs", "outputs")
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from mean x_j² [in] and mean g_i² [out]."""
        return weight.square() * inputs.require("inputs") * inputs.require("outputs").unsqueeze(1)
