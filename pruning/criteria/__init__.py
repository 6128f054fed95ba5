"""How single weights are scored, higher = keep. One file a criterion, registered here."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import torch

from pruning.criteria.fisher import Fisher
from pruning.criteria.magnitude import Magnitude
from pruning.criteria.wanda import Wanda
from pruning.errors import PruningError


class Criterion(Protocol):
    """A frozen dataclass whose fields are its settings.

    `scope` says within what scores are compared: "layer" (the whole group's matrix) or "row" (each
    output's weights). `needs_statistics` is False when the weights alone are enough.
    """

    name: ClassVar[str]
    scope: ClassVar[str]
    needs_statistics: ClassVar[bool]

    def score(self, weight: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Scores [out, in], higher = keep, from weight [out, in], mean x_j² [in] and mean g_i² [out]."""
        ...


CRITERIA: Mapping[str, type[Any]] = {kind.name: kind for kind in (Magnitude, Wanda, Fisher)}


def criterion(name: str) -> Criterion:
    """The criterion of that name with its default settings; PruningError when there is none."""
    if name not in CRITERIA:
        raise PruningError(f"There is no criterion {name!r}. Choose one of {', '.join(CRITERIA)}.")
    return CRITERIA[name]()
