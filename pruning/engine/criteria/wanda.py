"""Wanda: a weight matters as much as it moves its output."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from pruning.engine.criteria.inputs import GroupInputs


@dataclass(frozen=True)
class Wanda:
    """|w_ij| · ‖x_j‖ with ‖x_j‖² = mean x_j². Higher = keep.

    Compared within each row. Needs `inputs`.

    References
    ----------
    Sun et al. 2023, A simple and effective pruning approach for large language models, eq. 1,
    arXiv 2306.11695.
    """

    name: ClassVar[str] = "wanda"
    scope: ClassVar[str] = "row"
    needs: ClassVar[tuple[str, ...]] = ("inputs",)
    norm: ClassVar[int] = 1
    updates: ClassVar[bool] = False

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in] of `weight` [out, in], from mean x_j² [in]."""
        return weight.abs() * inputs.require("inputs").sqrt()
