"""How the groups of a map act upon one another: units go first, and weights are a share of what stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pruning.planning.recipe.mix import takings
from pruning.planning.recipe.plan import UNIT_KINDS, Group


@dataclass(frozen=True, eq=False)
class Mix:
    """What a map's units do to its weights. All arrays are in the order of the map's groups.

    Attributes
    ----------
    units
        bool [groups]: whole units, not single weights.
    counts
        [groups]: how many units there are of those that are counted, 0 of all else.
    layers
        bool [groups]: whole layers.
    taken
        (weights, units, shares), each [pairs]: the share of a group of weights that all units of another
        group have, by the rows of both.
    rest
        [groups]: what goes with a whole layer besides its groups of weights, 0 of all else.
    """

    units: np.ndarray
    counts: np.ndarray
    layers: np.ndarray
    taken: tuple[np.ndarray, np.ndarray, np.ndarray]
    rest: np.ndarray

    def whole(self, levels: np.ndarray) -> np.ndarray:
        """Levels [groups] as whole units make them: rounded, and one unit at least is kept."""
        counted = self.counts > 0
        if not (levels[counted] > 0).any():
            return levels
        total = self.counts[counted]
        gone = np.minimum(np.rint(levels[counted] * total), total - 1)
        result = levels.copy()
        result[counted] = gone / total
        return result

    def kept(self, levels: np.ndarray) -> np.ndarray:
        """What stays of every group of weights beside the units [groups], 0..1; 1 of units."""
        weights, units, shares = self.taken
        taken = np.bincount(weights, shares * levels[units], minlength=len(levels))
        return np.maximum(0.0, 1.0 - taken)


def mix_of(
    groups: Sequence[Group], parameters: Sequence[int], totals: Mapping[str, Mapping[int, int]]
) -> Mix:
    """The mix of a map with these groups and weights by group; `totals`: units by kind and layer."""
    sizes = dict(zip(groups, map(int, parameters), strict=True))
    row = {group: number for number, group in enumerate(groups)}
    pairs = takings(sizes)
    inside: dict[int, int] = {}
    for (layer, kind), size in sizes.items():
        if kind not in UNIT_KINDS:
            inside[layer] = inside.get(layer, 0) + size
    return Mix(
        units=np.array([kind in UNIT_KINDS for _, kind in groups], dtype=bool),
        counts=np.array(
            [0 if kind == "layers" else totals.get(kind, {}).get(layer, 0) for layer, kind in groups]
        ),
        layers=np.array([kind == "layers" for _, kind in groups], dtype=bool),
        taken=(
            np.array([row[weights] for weights, _ in pairs], dtype=int),
            np.array([row[units] for _, units in pairs], dtype=int),
            np.array(list(pairs.values()), dtype=float),
        ),
        rest=np.array(
            [
                max(0, sizes[layer, kind] - inside.get(layer, 0)) if kind == "layers" else 0
                for layer, kind in groups
            ]
        ),
    )
