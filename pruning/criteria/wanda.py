"""Wanda: a weight matters as much as it moves its output."""

from dataclasses import dataclass
from typing import ClassVar

import torch


@dataclass(frozen=True)
class Wanda:
    """|w_ij| · ‖x_j‖, compared within each row (Sun et al. 2023, eq. 1). Higher = keep."""

    name: ClassVar[str] = "wanda"
    scope: ClassVar[str] = "row"
    needs_statistics: ClassVar[bool] = True

    def score(self, weight: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Scores [out, in] from weight [out, in] and mean x_j² [in]; `outputs` is not used."""
        return weight.abs() * inputs.sqrt()
