"""SparseGPT: a weight matters as much as its removal costs when the others make up for it."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given
from pruning.engine.linalg.obs import DAMPING, inverse_factor


@dataclass(frozen=True)
class SparseGPT:
    """w_ij² / [H⁻¹]_jj with H = mean x xᵀ, the optimal brain surgeon's (Frantar & Alistarh 2023, eq. 3).

    Higher = keep. [H⁻¹]_jj is taken over the columns from j on, since those before are settled. Weights are
    chosen from left to right, 128 inputs at a time, while the ones that stay change:
    `pruning.engine.masking.sparsegpt` does that on a model. These are the scores before anything has changed.
    """

    name: ClassVar[str] = "sparsegpt"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("products",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from mean x xᵀ."""
        return (weight / inverse_factor(given(known, "products"), DAMPING).diagonal()).square()
