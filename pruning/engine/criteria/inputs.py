"""What a criterion may look at beside a group's weight."""

from dataclasses import dataclass

import torch

from pruning.errors import PruningError

MISSING = {
    "inputs": "statistics of the model; make a map first",
    "outputs": "statistics of the model; make a map first",
    "products": "statistics of the model; make a map first",
    "gradients": "the gradients of the weights; read the calibration text for them first",
    "movement": "recovery training that removes weights on its way; run `recover` with the schedule cubic",
}


@dataclass(frozen=True)
class GroupInputs:
    """What is known of one group with weight [out, in]; None where nobody has asked for it.

    `inputs` [in]: mean x_j². `outputs` [out]: mean g_i², g the gradient at the output. `products` [in, in]:
    mean x xᵀ. `gradients` [out, in]: Σ |∂L/∂w| over batches. `movement` [out, in]: −Σ w · ∂L/∂w over training
    steps. `place` is another number for each group.
    """

    inputs: torch.Tensor | None = None
    outputs: torch.Tensor | None = None
    products: torch.Tensor | None = None
    gradients: torch.Tensor | None = None
    movement: torch.Tensor | None = None
    place: int = 0


def given(known: GroupInputs, name: str) -> torch.Tensor:
    """One field of the evidence; PruningError, saying how to get it, where it is missing."""
    value: torch.Tensor | None = getattr(known, name)
    if value is None:
        raise PruningError(f"This criterion needs {MISSING[name]}.")
    return value
