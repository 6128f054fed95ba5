"""SparseGPT with error correction: SparseGPT that aims at what the dense model puts out; ours."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs
from pruning.engine.linalg.obs import obs_scores


@dataclass(frozen=True)
class Corrected:
    """w_ij² / [H⁻¹]_jj with H = mean x xᵀ, damped, as in SparseGPT. Higher = keep.

    Compared within the group. Needs `products`. Before a group is pruned its weights are moved so that they
    compensate for the error of the layers before: `pruning.engine.masking.sparsegpt_corrected` moves, chooses
    and updates on a model. These are the scores before anything has changed. Its alias is `sparsegpt-ec`.

    References
    ----------
    Frantar & Alistarh 2023, SparseGPT, eq. 3, arXiv 2301.00774.
    """

    name: ClassVar[str] = "corrected"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("products",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from mean x xᵀ [in, in]."""
        return obs_scores(weight, inputs.require("products"))
