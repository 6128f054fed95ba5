"""How single weights are scored, higher = keep. One file a criterion, registered here."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import torch

from pruning.engine.criteria.corrected import Corrected
from pruning.engine.criteria.fisher import Fisher
from pruning.engine.criteria.gradient import Gradient
from pruning.engine.criteria.inputs import CriterionInputs, GroupInputs
from pruning.engine.criteria.l2 import L2
from pruning.engine.criteria.magnitude import Magnitude
from pruning.engine.criteria.movement import Movement
from pruning.engine.criteria.random import Random
from pruning.engine.criteria.snip import Snip
from pruning.engine.criteria.sparsegpt import SparseGPT
from pruning.engine.criteria.taylor import Taylor
from pruning.engine.criteria.wanda import Wanda
from pruning.errors import PruningError
from pruning.planning.recipe.criterion_names import canonical_criterion

__all__ = ["CRITERIA", "LEARNT", "Criterion", "CriterionInputs", "GroupInputs", "criterion"]


class Criterion(Protocol):
    """A frozen dataclass whose fields are its settings.

    Attributes
    ----------
    name
        What recipes and options call it.
    scope
        Within what scores are compared unless the user says otherwise: "row" (each output's weights),
        "group" (the whole group's matrix), "layer" or "model".
    needs
        The fields of `GroupInputs` that it looks at.
    norm
        How the scores of the weights of a block make the block's: 1 for their mean, 2 for the root of their
        mean square.
    updates
        True where the kept weights change as well.
    """

    name: ClassVar[str]
    scope: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    norm: ClassVar[int]
    updates: ClassVar[bool]

    def score(self, weight: torch.Tensor, inputs: GroupInputs) -> torch.Tensor:
        """Scores [out, in], higher = keep, of a weight [out, in].

        Raises PruningError, saying how to get it, for an input that the criterion needs and is None.
        """
        ...


CRITERIA: Mapping[str, type[Any]] = {
    kind.name: kind
    for kind in (Fisher, SparseGPT, Corrected, Wanda, Magnitude, L2, Taylor, Snip, Gradient, Random)
}
# These score by what recovery training did, so they choose weights only while it prunes.
LEARNT: Mapping[str, type[Any]] = {Movement.name: Movement}


def criterion(name: str) -> Criterion:
    """The criterion of that name, or alias, with its default settings.

    Raises PruningError when there is none; its own `name` is what is stored and written.
    """
    kinds = {**CRITERIA, **LEARNT}
    stored = canonical_criterion(name)
    if stored not in kinds:
        raise PruningError(f"There is no criterion {name!r}. Choose one of {', '.join(kinds)}.")
    return kinds[stored]()
