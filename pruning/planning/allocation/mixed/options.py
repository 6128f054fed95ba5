"""What can be done with the units of one layer: fewer heads or KV groups, fewer neurons, or no layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from pruning.errors import PruningError
from pruning.planning.allocation.choices import NEAR, Bounds
from pruning.planning.cost.parts import HEADS, KV_GROUPS, LAYERS, NEURONS
from pruning.planning.recipe.plan import Group, Plan

# Of a layer's neurons, heads or KV groups at most so many levels each, and the most of them that goes: what
# the rest costs nobody has held against the truth.
NEURON_STEPS, HEAD_STEPS = 32, 12
MOST = 0.7


@dataclass(frozen=True)
class Counts:
    """How many units a layer has of each kind; 0 where there are none to take."""

    neurons: int = 0
    heads: int = 0
    kv_groups: int = 0

    def levels(self, kind: str) -> list[float]:
        """Levels of a kind that really make tensors smaller, ascending, without 0."""
        if kind == NEURONS:
            return _levels(self.neurons, max(1, round(self.neurons / NEURON_STEPS)))
        shared = 0 < self.kv_groups < self.heads
        if kind == HEADS:
            # Heads that share keys and values come evenly from their groups, or no tensor gets smaller.
            step = self.kv_groups if shared else 1
            return _levels(self.heads, step * max(1, -(-self.heads // (step * HEAD_STEPS))))
        return _levels(self.kv_groups, max(1, -(-self.kv_groups // HEAD_STEPS))) if shared else []


def _levels(total: int, step: int) -> list[float]:
    most = min(total - 1, round(MOST * total))
    return [count / total for count in range(step, most + 1, step)]


def layer_options(layer: int, counts: Counts, kinds: Sequence[str], bounds: Bounds) -> list[Plan]:
    """Every way to take whole units of a layer, the one that takes nothing first where it is there.

    Parameters
    ----------
    layer
        Its number.
    counts
        Its units.
    kinds
        The kinds of unit that may be taken.
    bounds
        Locks, protected layers, floors and ceilings, of units and of weights.

    Raises
    ------
    PruningError
        Where the bounds leave nothing, or contradict each other.
    """
    held = bounds.of_layer(layer)
    if held.get((layer, LAYERS)) == 1.0:
        return [{(layer, LAYERS): 1.0}]
    heads, groups, neurons = (
        _allowed((layer, kind), [0.0, *(counts.levels(kind) if kind in kinds else [])], bounds)
        for kind in (HEADS, KV_GROUPS, NEURONS)
    )
    attention = [
        {(layer, HEADS): first, (layer, KV_GROUPS): second}
        for first, second in product(heads, groups)
        if not (first and second)
    ]
    if not attention:
        raise PruningError(
            f"In layer {layer} both heads and kv_groups have to go by what is locked, and a KV group is made "
            "of heads. Lock one of the two at 0."
        )
    options = [
        {group: level for group, level in {**own, (layer, NEURONS): share}.items() if level > 0}
        for own, share in product(attention, neurons)
    ]
    if LAYERS in kinds and not held and bounds.ceiling.get((layer, LAYERS), 1.0) >= 1.0:
        options.append({(layer, LAYERS): 1.0})
    return options


def _allowed(group: Group, levels: Sequence[float], bounds: Bounds) -> list[float]:
    """The levels within bounds; the locked one whatever it is."""
    held = bounds.of_layer(group[0]).get(group)
    if held is not None:
        return [held]
    least, most = bounds.floor.get(group, 0.0), bounds.ceiling.get(group, 1.0)
    within = [level for level in levels if least - NEAR <= level <= most + NEAR]
    if not within:
        raise PruningError(
            f"Between the floor {least:g} and the ceiling {most:g} of {group[1]} in layer {group[0]} there "
            "is no number of units that can go. Set them further apart."
        )
    return within
