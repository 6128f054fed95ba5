"""The sweep: what pruning one group really costs, measured one point at a time."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.forward import head_of, layer_inputs, run_from
from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.evaluation.metrics import Quality, compare
from pruning.errors import PruningError
from pruning.planning.recipe.plan import UNIT_KINDS

SCORE_EVERY = 2


@dataclass(frozen=True)
class Point:
    """One group, or one kind of unit in a layer, pruned to one level while the rest of the model is dense."""

    layer: int
    kind: str
    level: float


def sweep(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    pruned: Callable[[Point], AbstractContextManager[Any]],
    evaluation: torch.Tensor,
    points: Sequence[Point],
    starting: Callable[[str], None] = lambda note: None,
) -> Iterator[tuple[Point, Quality]]:
    """Measure points against the dense model, layer by layer.

    Each pass starts from the dense activations of the layer that changes, so a point in the last layer
    costs next to nothing. The dense weights come back after every point, also when the caller stops early.

    Parameters
    ----------
    model, groups
        The dense model and its groups.
    pruned
        Gives the context in which just that point's group is pruned.
    evaluation
        Token windows [n, length]; every `SCORE_EVERY`-th position is scored.
    points
        What to measure.
    starting
        Told of work before the first point.

    Yields
    ------
    Each point with its quality.

    Raises
    ------
    PruningError
        A point names a group that is not there, or the family cannot be started in the middle.
    """
    names = {(group.layer, group.kind) for group in groups}
    names |= {(group.layer, kind) for group in groups for kind in UNIT_KINDS}
    missing = [point for point in points if (point.layer, point.kind) not in names]
    if missing:
        raise PruningError(f"Layer {missing[0].layer} has no group {missing[0].kind}.")
    starting("Running the dense model")
    quality = measuring(model, pruned, evaluation, {point.layer for point in points})
    for point in in_layer_order(points):
        yield point, quality(point)


def in_layer_order(points: Sequence[Point]) -> list[Point]:
    """The points in the order in which they are measured."""
    return sorted(points, key=lambda point: (point.layer, point.kind, point.level))


def measuring(
    model: nn.Module,
    pruned: Callable[[Point], AbstractContextManager[Any]],
    evaluation: torch.Tensor,
    layers: Collection[int],
) -> Callable[[Point], Quality]:
    """What measures one point in any of `layers` after the other, once the dense model has been run; see
    `sweep`."""
    head = head_of(model)
    inputs, dense = layer_inputs(model, evaluation, sorted(layers))
    if layers:
        _check_start(model, evaluation, max(layers), inputs[max(layers)], dense)

    def quality(point: Point) -> Quality:
        with pruned(point):
            final = run_from(model, evaluation, point.layer, inputs[point.layer])
        return compare(head, dense, final, evaluation, SCORE_EVERY)

    return quality


def _check_start(
    model: nn.Module, windows: torch.Tensor, layer: int, inputs: torch.Tensor, dense: torch.Tensor
) -> None:
    """Starting in the middle must give what the whole pass gave, or the family is not understood."""
    again = run_from(model, windows[:1], layer, inputs[:1])
    if not same_values(dense[:1], again):
        raise PruningError(f"{type(model).__name__} cannot be started from the middle; it cannot be swept.")
