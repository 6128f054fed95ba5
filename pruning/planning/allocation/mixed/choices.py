"""What a plan of units and weights chooses from: units of each layer, levels in what they leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pruning.planning.allocation.choices import GRID, Bounds, ChoiceTable, map_choices
from pruning.planning.allocation.mixed.options import Counts, layer_options
from pruning.planning.allocation.mixed.savings import BYTES, PARAMETERS, QUANTITIES, Machine, priced_options
from pruning.planning.allocation.targets import FILE, MEMORY, SPARSITY
from pruning.planning.cost.latency_table import MODES
from pruning.planning.cost.model_size import running_bytes
from pruning.planning.cost.parts import LAYERS, Parts
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.mix import takings
from pruning.planning.recipe.plan import UNIT_KINDS, Group, Plan

# Without a bound of the user's, so large a share of the layers may go: what more of them cost together is
# least sure of all.
MOST_LAYERS = 0.25


@dataclass(frozen=True, eq=False)
class MixedChoices:
    """Options of every layer's units, and levels of every group of weights in what the units leave of it.

    `options` [layers][options]: the units that go. `costs`, `allowed` [layers, options], and `saved` by name
    of a quantity, among them "layers", how many go. `kept` [groups, options]: what stays of a group of
    weights beside each option of its layer, and `row` [groups] that layer's row. `weights`: the levels of
    single weights, costs and savings of whole groups, of which a share `kept` counts. `dense`: the dense
    model's total of each quantity; `prunable`: the weights that sparsity is a share of. `most_layers` may go.
    """

    options: tuple[tuple[Plan, ...], ...]
    costs: np.ndarray
    allowed: np.ndarray
    saved: Mapping[str, np.ndarray]
    kept: np.ndarray
    row: np.ndarray
    weights: ChoiceTable
    dense: Mapping[str, float]
    prunable: float
    most_layers: int

    @cached_property
    def members(self) -> np.ndarray:
        """[layers, groups]: 1 where the group is of the layer."""
        return (np.arange(len(self.options))[:, None] == self.row[None, :]).astype(float)

    def of_weights(self, name: str) -> np.ndarray | None:
        """What levels of whole groups save of a quantity [groups, levels]; None where they save nothing."""
        if name in (SPARSITY, PARAMETERS):
            return self.weights.saved[PARAMETERS]
        return self.weights.saved[BYTES] if name == BYTES else None

    def plan(self, chosen: np.ndarray, columns: np.ndarray) -> Plan:
        """The plan of these options [layers] and columns of levels [groups]."""
        plan: Plan = {}
        for options, option in zip(self.options, chosen, strict=True):
            plan |= {group: round(level, 6) for group, level in options[option].items()}
        stays = self.kept[np.arange(len(self.row)), chosen[self.row]] > 0
        levels = self.weights.levels[np.arange(len(columns)), columns]
        for group, level, there in zip(self.weights.groups, levels, stays, strict=True):
            if there and level > 0:
                plan[group] = round(float(level), 6)
        return plan


def mixed_choices(
    forecaster: Forecaster,
    machine: Machine,
    bounds: Bounds | None = None,
    kinds: Sequence[str] = UNIT_KINDS,
    weights: bool = True,
    levels: Sequence[float] = GRID,
) -> MixedChoices:
    """What a plan over all that a map prices chooses from.

    Parameters
    ----------
    forecaster
        The map, with its units, and the fit.
    machine
        What sizes and times follow from.
    bounds
        What is held fast, of units and of weights.
    kinds
        The kinds of unit that may go, of those the map prices.
    weights
        Whether single weights may go as well; those that are locked do.
    levels
        Of single weights, ascending, 0 first.

    Raises
    ------
    PruningError
        Where the bounds leave nothing, or contradict each other.
    """
    bounds, smap = bounds or Bounds(), forecaster.smap
    bounds.levels(smap.groups)  # refuses groups that are not there
    taken = [kind for kind in kinds if any(kind == own for _, own in smap.groups)]
    table = map_choices(forecaster, _of_groups(bounds, smap.mix.units, smap.groups), levels)
    if not weights:
        table = replace(table, allowed=_least_alone(table))
    layers = sorted({layer for layer, _ in table.groups})
    options = [layer_options(layer, _counts(machine.parts, layer), taken, bounds) for layer in layers]
    costs, saved = priced_options(forecaster, machine, layers, options)
    row = np.array([layers.index(layer) for layer, _ in table.groups])
    kept = _kept(forecaster, table, layers, options)
    by_name = dict(zip(QUANTITIES, zip(*(own.T for own in saved), strict=True), strict=True))
    members = np.arange(len(layers))[:, None] == row
    return MixedChoices(
        options=tuple(map(tuple, options)),
        costs=_padded(costs),
        allowed=_padded([np.ones(len(own)) for own in options]) > 0,
        saved={
            **{name: _padded(rows) for name, rows in by_name.items()},
            SPARSITY: members @ ((1 - kept) * table.weights[:, None]),
            LAYERS: _padded([np.array([_goes(option) for option in own]) for own in options]),
        },
        kept=kept,
        row=row,
        weights=table,
        dense=_dense(machine),
        prunable=table.prunable,
        most_layers=_most_layers(bounds, len(layers)),
    )


def _goes(option: Plan) -> float:
    """1 where the whole layer goes."""
    return float(any(kind == LAYERS for _, kind in option))


def _dense(machine: Machine) -> dict[str, float]:
    """The dense model's total of every quantity."""
    size = float(machine.parts.file_bytes)
    return {
        PARAMETERS: float(machine.parts.parameters),
        BYTES: size,
        FILE: size,
        MEMORY: float(running_bytes(machine.parts)),
        **{f"{mode}_ms": machine.dense(mode) for mode in MODES},
    }


def _most_layers(bounds: Bounds, layers: int) -> int:
    locked = sum(kind == LAYERS and level == 1.0 for (_, kind), level in bounds.locks.items())
    most = round(MOST_LAYERS * layers) if bounds.most_layers is None else bounds.most_layers
    return max(min(most, layers - 1), locked)


def _least_alone(table: ChoiceTable) -> np.ndarray:
    """Of every group the least level alone [groups, levels]."""
    return np.asarray(np.arange(table.levels.shape[1]) == table.allowed.argmax(axis=1)[:, None])


def _of_groups(bounds: Bounds, units: np.ndarray, groups: Sequence[Group]) -> Bounds:
    """The same bounds for groups of weights alone. Nothing is held in layers that are locked to go."""
    weights = {group for group, whole in zip(groups, units, strict=True) if not whole}
    gone = {layer for (layer, kind), level in bounds.locks.items() if kind == LAYERS and level == 1.0}
    return replace(
        bounds,
        locks={g: level for g, level in bounds.locks.items() if g in weights and g[0] not in gone},
        floor={g: level for g, level in bounds.floor.items() if g in weights},
        ceiling={g: level for g, level in bounds.ceiling.items() if g in weights},
    )


def _counts(parts: Parts, layer: int) -> Counts:
    return Counts(**{kind: totals.get(layer, 0) for kind, totals in parts.units.items() if kind != LAYERS})


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, 0 where there is nothing."""
    width = max(map(len, rows))
    return np.stack([np.pad(row, (0, width - len(row))) for row in rows])


def _kept(
    forecaster: Forecaster, table: ChoiceTable, layers: Sequence[int], options: Sequence[Sequence[Plan]]
) -> np.ndarray:
    """What stays of each group of weights beside each option of its layer [groups, options]."""
    smap, width = forecaster.smap, max(map(len, options))
    at, rows = (
        {layer: row for row, layer in enumerate(layers)},
        {g: row for row, g in enumerate(table.groups)},
    )
    levels = {kind: np.zeros((len(layers), width)) for kind in UNIT_KINDS}
    for row, own in enumerate(options):
        for column, option in enumerate(own):
            for (_, kind), level in option.items():
                levels[kind][row, column] = level
    kept = np.ones((len(table.groups), width))
    sizes = dict(zip(smap.groups, smap.parameters.tolist(), strict=True))
    for (group, (layer, kind)), share in takings(sizes).items():
        kept[rows[group]] -= share * levels[kind][at[layer]]
    return np.maximum(kept, 0.0)
