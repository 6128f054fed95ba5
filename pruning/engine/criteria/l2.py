"""L2: as magnitude, but of a block of weights its Euclidean length counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class L2:
    """|w_ij|, and of a block of weights the root of the mean square. Higher = keep.

    Compared within the group. Needs nothing beside the weight: sees no data. The order of single weights is
    magnitude's, and so are all results with single weights and N:M; a block, of which magnitude takes the
    mean, is kept longer for one large weight.

    References
    ----------
    He et al. 2018, Soft filter pruning for accelerating deep convolutional neural networks,
    arXiv 1808.06866: filters by their L2 norm.
    """

    name: ClassVar[str] = "l2"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ()
    norm: ClassVar[int] = 2
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in]; nothing else is looked at."""
        return weight.abs()
