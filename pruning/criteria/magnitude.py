"""Magnitude: a weight matters as much as it is large."""

from dataclasses import dataclass
from typing import ClassVar

import torch


@dataclass(frozen=True)
class Magnitude:
    """|w|, compared within the group (Han et al. 2015). Higher = keep. Sees no data."""

    name: ClassVar[str] = "magnitude"
    scope: ClassVar[str] = "layer"
    needs_statistics: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Scores [out, in] of weight [out, in]; the statistics are not used."""
        return weight.abs()
