"""What the units of layers cost, and save of sizes and times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pruning.planning.allocation.targets import FILE, MEMORY, SPEED
from pruning.planning.cost.latency_table import MODES, PREFILL_TOKENS, LatencyTable, saved_by
from pruning.planning.cost.model_size import running_bytes
from pruning.planning.cost.parts import LAYERS, Parts, without
from pruning.planning.cost.plan_cost import PlanCost, plan_cost
from pruning.planning.cost.roofline import prefill_operations, weights_read
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import costs_at
from pruning.planning.recipe.plan import Group, Plan

PARAMETERS, BYTES = "parameters", "bytes"
# In the order of the arrays of what units save.
QUANTITIES = (PARAMETERS, BYTES, FILE, MEMORY, *SPEED.values())
_Known = dict[tuple[object, ...], np.ndarray]


@dataclass(frozen=True, eq=False)
class Machine:
    """A model in parts, and what is known of its speed.

    `latency`: its measured times; None where it was not timed, and for kinds of unit that are not in it:
    speed is then an estimate from bytes and operations. `dense_ms` by mode, where they are known without.
    """

    parts: Parts
    latency: LatencyTable | None = None
    dense_ms: Mapping[str, float] | None = None

    def dense(self, mode: str) -> float:
        """Milliseconds of the dense model; 1 where nobody knows them."""
        if self.latency is not None:
            return self.latency.dense[mode]
        return (self.dense_ms or {}).get(mode, 1.0)

    def cost(self, plan: Plan) -> PlanCost:
        """Size and time of a plan."""
        return plan_cost(self.parts, plan, self.latency, self.dense_ms)

    def timed(self, kinds: Sequence[str]) -> bool:
        """Whether all these kinds of unit were timed."""
        return self.latency is not None and set(kinds) <= set(self.latency.shares)


def priced_options(
    forecaster: Forecaster, machine: Machine, layers: Sequence[int], options: Sequence[Sequence[Plan]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """By layer what its options cost [options] and save [options, quantities]."""
    singles = {(group, level) for own in options for option in own for group, level in option.items()}
    prices = _prices(forecaster, singles)
    timed = machine.timed(sorted({kind for (_, kind), _ in singles}))
    costs, saved, known, alike = [], [], _Known(), _Known()
    for layer, own in zip(layers, options, strict=True):
        costs.append(np.array([sum(prices[item] for item in option.items()) for option in own]))
        alone = _Alone(machine, layer, timed, known)
        # Layers that are alike save alike.
        key = (alone.like, *(tuple((kind, level) for (_, kind), level in option.items()) for option in own))
        if key not in alike:
            alike[key] = _saved_by(own, alone)
        saved.append(alike[key])
    return costs, saved


def _prices(forecaster: Forecaster, singles: set[tuple[Group, float]]) -> dict[tuple[Group, float], float]:
    """The weighted cost of each group of units at each level."""
    smap, by_group = forecaster.smap, dict[Group, list[float]]()
    for group, level in sorted(singles):
        by_group.setdefault(group, []).append(level)
    prices: dict[tuple[Group, float], float] = {}
    for column in range(max(map(len, by_group.values()), default=0)):
        at = {group: levels[column] for group, levels in by_group.items() if column < len(levels)}
        costs = costs_at(smap, smap.levels_of(at)) * forecaster.weights
        rows = {group: row for row, group in enumerate(smap.groups)}
        prices |= {(group, level): float(costs[rows[group]]) for group, level in at.items()}
    return prices


class _Alone:
    """What one kind of unit of a layer saves by itself; worked out once for layers that are alike."""

    def __init__(self, machine: Machine, layer: int, timed: bool, known: _Known) -> None:
        parts = machine.parts
        shapes = {group: shape for group, shape in parts.shapes.items() if group[0] == layer}
        biases = {group: count for group, count in parts.biases.items() if group[0] == layer}
        norms = {number: count for number, count in parts.norms.items() if number == layer}
        counts = sorted((kind, totals.get(layer, 0)) for kind, totals in parts.units.items())
        self._machine, self._layer, self._timed, self._known = machine, layer, timed, known
        self._parts = replace(parts, shapes=shapes, biases=biases, norms=norms)
        inside = [sorted((kind, value) for (_, kind), value in own.items()) for own in (shapes, biases)]
        self.like = (str(inside), str(counts), norms.get(layer, 0))

    def saved(self, kind: str, level: float) -> np.ndarray:
        """[quantities], in the order of `QUANTITIES`."""
        key = (*self.like, kind, level)
        if key not in self._known:
            self._known[key] = self._worked_out(kind, level)
        return self._known[key]

    def _worked_out(self, kind: str, level: float) -> np.ndarray:
        machine, whole = self._machine, self._machine.parts
        left = without(self._parts, {(self._layer, kind): level})
        weights = self._parts.parameters - left.parameters
        memory = running_bytes(self._parts) - running_bytes(left)
        size = weights * whole.weight_bytes
        if self._timed and machine.latency is not None:
            table = machine.latency
            times = [float(saved_by(table, kind, np.array([level]), mode)[0]) for mode in MODES]
        else:
            shares = {
                "prefill": (
                    prefill_operations(self._parts, PREFILL_TOKENS) - prefill_operations(left, PREFILL_TOKENS)
                )
                / prefill_operations(whole, PREFILL_TOKENS),
                "decode": (weights_read(self._parts) - weights_read(left)) / weights_read(whole),
            }
            times = [shares[mode] * machine.dense(mode) for mode in MODES]
        return np.array([weights, size, size, memory, *times], dtype=float)


def _saved_by(options: Sequence[Plan], alone: _Alone) -> np.ndarray:
    """What every option of a layer saves [options, quantities], from what one kind at one level saves alone.

    What attention and MLP save adds up, at most to what the layer saves by going altogether.
    """
    rows, gone = [], alone.saved(LAYERS, 1.0)
    for option in options:
        if any(kind == LAYERS for _, kind in option):
            rows.append(gone)
            continue
        parts = [alone.saved(kind, level) for (_, kind), level in option.items()]
        rows.append(np.minimum(np.sum(parts, axis=0) if parts else np.zeros_like(gone), gone))
    return np.stack(rows)
