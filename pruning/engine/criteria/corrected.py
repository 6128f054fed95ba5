"""Corrected: SparseGPT that aims at what the dense model puts out; ours."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given
from pruning.engine.linalg.obs import DAMPING, inverse_factor


@dataclass(frozen=True)
class Corrected:
    """w_ij² / [H⁻¹]_jj as in SparseGPT, of weights moved to make up for what the layers before got wrong.

    Higher = keep. `pruning.engine.masking.sparsegpt_corrected` moves, chooses and updates on a model; these
    are the scores before anything has changed.
    """

    name: ClassVar[str] = "corrected"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ("products",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from mean x xᵀ."""
        return (weight / inverse_factor(given(known, "products"), DAMPING).diagonal()).square()
