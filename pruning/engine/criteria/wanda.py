"""Wanda: a weight matters as much as it moves its output."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs, given


@dataclass(frozen=True)
class Wanda:
    """|w_ij| · ‖x_j‖, compared within each row (Sun et al. 2023, eq. 1). Higher = keep."""

    name: ClassVar[str] = "wanda"
    scope: ClassVar[str] = "row"
    needs: ClassVar[tuple[str, ...]] = ("inputs",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in], from mean x_j²."""
        return weight.abs() * given(known, "inputs").sqrt()
