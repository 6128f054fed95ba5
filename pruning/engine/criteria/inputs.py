"""Criterion inputs: what a criterion may look at beside a group's weight."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group

MISSING = {
    "inputs": "statistics of the model; make a map first",
    "outputs": "statistics of the model; make a map first",
    "products": "statistics of the model; make a map first",
    "gradients": "the gradients of the weights; read the calibration text for them first",
    "movement": "recovery training that removes weights on its way; run `recover` with the schedule cubic",
}


@dataclass(frozen=True)
class GroupInputs:
    """The criterion inputs of one group with weight [out, in]; None where nothing was collected.

    Attributes
    ----------
    inputs
        [in], mean x_j² over calibration tokens.
    outputs
        [out], mean g_i² with g the gradient of the loss at the output.
    products
        [in, in], mean x xᵀ.
    gradients
        [out, in], Σ |∂L/∂w| over batches of calibration text.
    movement
        [out, in], −Σ w · ∂L/∂w over the steps of recovery training.
    place
        Another number for each group.
    """

    inputs: torch.Tensor | None = None
    outputs: torch.Tensor | None = None
    products: torch.Tensor | None = None
    gradients: torch.Tensor | None = None
    movement: torch.Tensor | None = None
    place: int = 0

    def require(self, name: str) -> torch.Tensor:
        """One of the fields; PruningError, saying how to get it, where it is None."""
        value: torch.Tensor | None = getattr(self, name)
        if value is None:
            raise PruningError(f"This criterion needs {MISSING[name]}.")
        return value


# The criterion inputs of a whole model, looked up by (layer, kind): a group's are made when it is scored.
CriterionInputs = Callable[[Group], GroupInputs]
