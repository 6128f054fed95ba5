"""L2: as magnitude, but of a block of weights its Euclidean length counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class L2:
    """|w|, compared within the group. Higher = keep. Sees no data.

    The order of single weights is magnitude's, and so are all results with single weights and N:M. A block
    counts as the root of its mean square where magnitude takes the mean, so that one large weight holds a
    block longer.
    """

    name: ClassVar[str] = "l2"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ()
    norm: ClassVar[int] = 2
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, known: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of weight [out, in]; nothing else is looked at."""
        return weight.abs()
