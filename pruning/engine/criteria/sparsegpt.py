"""SparseGPT: a weight matters as much as its removal costs when the others compensate."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs
from pruning.engine.linalg.obs import obs_scores


@dataclass(frozen=True)
class SparseGPT:
    """w_ij² / [H⁻¹]_jj with H = mean x xᵀ, damped. Higher = keep.

    Compared within the group. Needs `products`. Weights are chosen from left to right, 128 inputs at a time,
    while the kept ones change: `pruning.engine.masking.sparsegpt` does that on a model. These are the scores
    before anything has changed.

    References
    ----------
    Frantar & Alistarh 2023, SparseGPT, eq. 3, arXiv 2301.00774; the saliency of Optimal Brain Surgeon,
    Hassibi & Stork 1992.
    """

    name: ClassVar[str] = "sparsegpt"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("products",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from mean x xᵀ [in, in]."""
        return obs_scores(weight, inputs.require("products"))
