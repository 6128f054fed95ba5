"""The choice table of a multiple-choice knapsack: each group's levels, what each costs and saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES, LatencyTable, saved_by
from pruning.planning.cost.storage import bitmask_bytes
from pruning.planning.forecast.capability_map import CapabilityMap, cost_weights
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import costs_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import ALL_KINDS, MAX_LEVEL, Group, Plan, parse_layers

STEP = 0.01
GRID = tuple(round(n * STEP, 6) for n in range(round(MAX_LEVEL / STEP) + 1))
NEAR = 1e-9
UNIT_STEPS = 64  # at most so many levels of a layer's units


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """Levels for every group, `levels` [groups, columns] rising from left to right, and their `costs`.

    `saved`: by name of a quantity ("parameters", "bytes" on disk, of whole units "memory", bytes that the
    weights take in a running program; a latency table adds its own) what each level takes off it [groups,
    columns]; `dense` is the dense model's total of each. `allowed` bool [groups, columns]: what may be
    chosen. `fixed` bool [groups]: locked and protected groups, which no reach narrows.
    `weights` [groups]: prunable weights. `aim` [groups, columns]: what the solver makes least where more
    matters than `costs`, which stay the map's own; None where nothing does.
    """

    groups: tuple[Group, ...]
    levels: np.ndarray
    costs: np.ndarray
    saved: Mapping[str, np.ndarray]
    dense: Mapping[str, float]
    weights: np.ndarray
    allowed: np.ndarray
    fixed: np.ndarray
    aim: np.ndarray | None = None

    @cached_property
    def prunable(self) -> float:
        """The weights that sparsity is a share of."""
        return float(self.weights.sum())

    def near(self, level: float, reach: float) -> "ChoiceTable":
        """The same with only levels at most `reach` from `level`, or the nearest where there is none."""
        away = np.where(self.allowed, np.abs(self.levels - level), np.inf)
        close = away <= np.maximum(reach, away.min(axis=1, keepdims=True)) + NEAR
        return replace(self, allowed=self.allowed & (close | self.fixed[:, None]))

    def plan(self, columns: np.ndarray) -> Plan:
        """The plan that takes these columns [groups]."""
        levels = self.levels[np.arange(len(columns)), columns]
        return {
            group: round(float(level), 6)
            for group, level in zip(self.groups, levels, strict=True)
            if level > 0
        }

    def total(self, name: str, columns: np.ndarray) -> float:
        """What these columns [groups] take off a quantity."""
        return float(self.saved[name][np.arange(len(columns)), columns].sum())


@dataclass(frozen=True)
class Bounds:
    """Constraints on levels: `locks` are groups at their level, `protect` layers that stay dense ("0-1,29").

    `floor` and `ceiling`: the least and the most level of single groups; those not named have 0 and 0.95.
    `most_layers`: how many layers may go; None leaves it to the solver.
    """

    locks: Mapping[Group, float] = field(default_factory=dict)
    protect: str | None = None
    floor: Mapping[Group, float] = field(default_factory=dict)
    ceiling: Mapping[Group, float] = field(default_factory=dict)
    most_layers: int | None = None

    @cached_property
    def _held(self) -> dict[int, Plan]:
        held: dict[int, Plan] = {}
        for (layer, kind), level in self.locks.items():
            held.setdefault(layer, {})[layer, kind] = level
        if self.protect:
            for layer in parse_layers(self.protect, "Protected layers"):
                held[layer] = dict.fromkeys(((layer, kind) for kind in ALL_KINDS), 0.0)
        return held

    def of_layer(self, layer: int) -> Plan:
        """What is held fast in a layer: its locks, and all kinds at 0 where it is protected."""
        return self._held.get(layer, {})

    def levels(self, groups: Sequence[Group]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(least, most) [groups] of every group, and bool [groups]: which are locked or protected.

        Raises PruningError for groups that are not there, and where the bounds exclude one another.
        """
        for given in (self.locks, self.floor, self.ceiling):
            strange = sorted(set(given) - set(groups))
            if strange:
                layer, kind = strange[0]
                raise PruningError(
                    f"There is no {kind} in layer {layer} to bound. Use this model's own groups."
                )
        least, most = (
            np.array([given.get(group, usual) for group in groups], dtype=float)
            for given, usual in ((self.floor, 0.0), (self.ceiling, MAX_LEVEL))
        )
        fixed = np.zeros(len(groups), dtype=bool)
        spared = self._spared(groups)
        for row, group in enumerate(groups):
            if group[0] in spared and self.locks.get(group, 0.0) > 0:
                raise PruningError(
                    f"Layer {group[0]} is protected, and {group[1]} in it is locked at "
                    f"{self.locks[group]:g}. Leave one of the two out."
                )
            if group[0] in spared or group in self.locks:
                least[row] = most[row] = self.locks.get(group, 0.0)
                fixed[row] = True
            elif least[row] > most[row]:
                raise PruningError(
                    f"{group[1]} in layer {group[0]} has the floor {least[row]:g} over its ceiling "
                    f"{most[row]:g}. Lower the floor."
                )
        return least, most, fixed

    def _spared(self, groups: Sequence[Group]) -> set[int]:
        spared = set(parse_layers(self.protect, "Protected layers")) if self.protect else set()
        last = max(layer for layer, _ in groups)
        if spared and max(spared) > last:
            raise PruningError(
                f"Protected layers: there is no layer {max(spared)}. This model's layers are 0 to {last}."
            )
        return spared


def map_choices(
    forecaster: Forecaster, bounds: Bounds | None = None, levels: Sequence[float] = GRID
) -> ChoiceTable:
    """What a map prices, weighted as the fit has it, at `levels` (ascending, 0 first).

    A locked group has its one level, any number.
    """
    smap = forecaster.smap
    rows = np.flatnonzero(~smap.mix.units) if not smap.mix.units.all() else np.arange(len(smap.groups))
    groups = tuple(smap.groups[row] for row in rows)
    least, most, fixed = (bounds or Bounds()).levels(groups)
    grid = np.tile(np.array(levels), (len(groups), 1))
    grid[fixed] = least[fixed, None]
    weights = smap.parameters[rows, None].astype(float)
    width = int(smap.dense["weight_bytes"])
    spared = weights * width - bitmask_bytes(weights, (1 - grid) * weights, width)
    return ChoiceTable(
        groups=groups,
        levels=grid,
        costs=_priced(smap, rows, grid, forecaster.weights),
        saved={"parameters": grid * weights, "bytes": spared},
        dense={name: float(smap.dense[name]) for name in ("parameters", "bytes")},
        weights=weights[:, 0],
        allowed=_allowed(groups, grid, least, most, fixed),
        fixed=fixed,
    )


def _priced(smap: SensitivityMap, rows: np.ndarray, grid: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cost of some of the map's groups, its `rows`, at their levels [rows, columns], times their weight."""
    columns = np.zeros((len(smap.groups), grid.shape[1]))
    columns[rows] = grid
    costs = np.stack([costs_at(smap, column) for column in columns.T], axis=1)
    return np.asarray(costs[rows] * weights[rows, None])


def with_fit(choices: ChoiceTable, forecaster: Forecaster) -> ChoiceTable:
    """The same choices with their costs weighted by the fit, for those that were priced without one."""
    return replace(choices, costs=choices.costs * forecaster.weights[:, None])


def with_capability_weights(
    choices: ChoiceTable, forecaster: Forecaster, capabilities: CapabilityMap, values: Mapping[str, float]
) -> ChoiceTable:
    """The same choices of a map, of which the solver also spares what some capabilities are sensitive to.

    `values` by capability: at 1 its costs count as much as the map's own, at 3 three times as much. The
    fit's weights of groups hold for every text.
    """
    smap, aim = forecaster.smap.of_weights, choices.costs.copy()
    rows = np.arange(len(smap.groups))
    weights = forecaster.weights[: len(rows)]
    for name, weight in cost_weights(smap, capabilities, values).items():
        aim += weight * _priced(capabilities.as_map(smap, name), rows, choices.levels, weights)
    return replace(choices, aim=aim)


def with_latency(choices: ChoiceTable, latency: LatencyTable) -> ChoiceTable:
    """The same choices of structured units with the milliseconds that they save, by measured times."""
    saved, dense = dict(choices.saved), dict(choices.dense)
    kinds = [kind for _, kind in choices.groups]
    for mode in MODES:
        rows = [saved_by(latency, kind, row, mode) for kind, row in zip(kinds, choices.levels, strict=True)]
        saved[f"{mode}_ms"], dense[f"{mode}_ms"] = np.stack(rows), latency.dense[mode]
    return replace(choices, saved=saved, dense=dense)


def unit_choices(
    costs: Mapping[int, np.ndarray],
    totals: Mapping[int, int],
    kind: str,
    weights: Mapping[int, int],
    dense: Mapping[str, float],
    bounds: Bounds | None = None,
) -> ChoiceTable:
    """What structured pruning of one kind of unit costs, in steps of 1/`UNIT_STEPS` of a layer's units.

    Parameters
    ----------
    costs
        By layer, Σ cost of pruning 0, 1, 2, … units, in nats per token before κ.
    totals, weights
        By layer, how many units there are, and how many weights one of them has.
    kind
        The kind of unit, such as "neurons".
    dense
        The dense model's figures, as a sensitivity map has them.
    bounds
        Locked and protected layers, floors and ceilings.

    Returns
    -------
    The choices. Units leave the file altogether, so what they save in bytes, on disk and in memory, is their
    weights'.

    Raises
    ------
    PruningError
        Where the bounds leave a layer no level.
    """
    groups = tuple((layer, kind) for layer in sorted(costs))
    least, most, fixed = (bounds or Bounds()).levels(groups)
    grid, priced = _unit_grid(costs, totals, least, fixed)
    size = np.array([[weights[layer] * totals[layer]] for layer, _ in groups], dtype=float)
    allowed = np.isfinite(priced) & (_allowed(groups, grid, least, most, fixed) | fixed[:, None])
    pruned_bytes, dense_bytes = grid * size * dense["weight_bytes"], float(dense["bytes"])
    return ChoiceTable(
        groups=groups,
        levels=grid,
        costs=np.where(np.isfinite(priced), priced, np.nanmax(priced[np.isfinite(priced)])),
        saved={"parameters": grid * size, "bytes": pruned_bytes, "memory": pruned_bytes},
        dense={"parameters": float(dense["parameters"]), "bytes": dense_bytes, "memory": dense_bytes},
        weights=size[:, 0],
        allowed=allowed,
        fixed=fixed,
    )


def _unit_grid(
    costs: Mapping[int, np.ndarray], totals: Mapping[int, int], least: np.ndarray, fixed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Levels and costs of whole numbers of units, both [layers, columns]; inf where there is none."""
    layers = sorted(costs)
    step = {layer: max(1, totals[layer] // UNIT_STEPS) for layer in layers}
    columns = max((len(costs[layer]) - 1) // step[layer] for layer in layers) + 1
    grid, priced = np.zeros((len(layers), columns)), np.full((len(layers), columns), np.inf)
    for row, layer in enumerate(layers):
        units = np.arange(0, len(costs[layer]), step[layer])
        if fixed[row]:
            units = np.full(1, min(round(least[row] * totals[layer]), len(costs[layer]) - 1))
        # Layers with fewer steps end in columns that may not be chosen.
        grid[row] = np.pad(units, (0, columns - len(units)), "edge") / totals[layer]
        priced[row, : len(units)] = costs[layer][units]
    return grid, priced


def _allowed(
    groups: Sequence[Group], grid: np.ndarray, least: np.ndarray, most: np.ndarray, fixed: np.ndarray
) -> np.ndarray:
    """Levels within their bounds; of a group that has but one level, its first column."""
    allowed = (grid >= least[:, None] - NEAR) & (grid <= most[:, None] + NEAR)
    allowed[fixed] = np.arange(grid.shape[1]) == 0
    empty = np.flatnonzero(~allowed.any(axis=1))
    if len(empty):
        layer, kind = groups[empty[0]]
        raise PruningError(
            f"Between the floor {least[empty[0]]:g} and the ceiling {most[empty[0]]:g} of {kind} in layer "
            f"{layer} there is no level. Set them further apart."
        )
    return allowed
