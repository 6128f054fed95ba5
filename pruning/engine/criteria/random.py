"""Random: the baseline that every criterion has to beat."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Random:
    """A number drawn for each weight, the same for the same `seed` and group. Higher = keep.

    Compared within the group. Needs nothing but the group's `place`: sees neither data nor weights.
    """

    name: ClassVar[str] = "random"
    scope: ClassVar[str] = "group"
    needs: ClassVar[tuple[str, ...]] = ()
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False
    seed: int = 0

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], uniform in 0..1."""
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + inputs.place)
        return torch.rand(weight.shape, generator=generator).to(weight.device)
