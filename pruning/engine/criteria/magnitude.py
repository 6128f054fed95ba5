"""Magnitude: a weight matters as much as it is large."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Magnitude:
    """|w_ij|. Higher = keep.

    Compared within the group. Needs nothing beside the weight: sees no data.

    References
    ----------
    Han et al. 2015, Learning both weights and connections for efficient neural networks, arXiv 1506.02626.
    """

    name: ClassVar[str] = "magnitude"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ()
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in]; nothing else is looked at."""
        return weight.abs()
