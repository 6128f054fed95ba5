"""The recipes that the bench of the forecast measures: drawn at random, of many kinds."""

from collections.abc import Callable

import numpy as np

from pruning.planning.allocation.choices import map_choices
from pruning.planning.allocation.solver import solve
from pruning.planning.allocation.targets import Target
from pruning.planning.bisection import bisection
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mix import settable
from pruning.planning.recipe.plan import EXCLUSIVE, LAYERS, MAX_LEVEL, UNIT_KINDS, Plan

# Forecast before any measurement, of what is drawn; it leaves room for the truth to lie beside it.
DRAWN_KL = (0.08, 2.0)
HALVINGS = 30

Shape = Callable[[SensitivityMap, np.random.Generator], np.ndarray]


def _by_kind(smap: SensitivityMap, rng: np.random.Generator) -> np.ndarray:
    """The same level in all layers, another for each kind."""
    levels = {kind: rng.uniform(0.3, 1.4) for kind in smap.kinds}
    return np.array([levels[kind] for _, kind in smap.groups])


def _some(smap: SensitivityMap, rng: np.random.Generator) -> np.ndarray:
    """A random part of the groups, the others dense."""
    chosen = rng.random(len(smap.groups)) < rng.uniform(0.25, 0.75)
    chosen[rng.integers(len(chosen))] = True
    return np.where(chosen, rng.uniform(0.5, 1.5, len(chosen)), 0.0)


def _ramp(smap: SensitivityMap, rng: np.random.Generator) -> np.ndarray:
    """More with the depth, or less."""
    first, last = rng.uniform(0.2, 1.8, 2)
    depth = np.array([layer for layer, _ in smap.groups], dtype=float)
    return first + (last - first) * depth / max(1.0, float(depth.max()))


def _mixed(smap: SensitivityMap, rng: np.random.Generator) -> np.ndarray:
    """A level for each kind, and play in every layer."""
    return _by_kind(smap, rng) * rng.uniform(0.6, 1.4, len(smap.groups))


SHAPES: dict[str, Shape] = {"by kind": _by_kind, "some groups": _some, "ramp": _ramp, "mixed": _mixed}
SOLVED, UNITS_AND_WEIGHTS = "solved", "units and weights"
# Units go this much less far than weights, and of layers so many at most.
UNIT_SHARE, MOST_DROPPED = 0.4, 4


def drawn(smap: SensitivityMap, kind: str, rng: np.random.Generator) -> Plan:
    """A plan of a kind whose KL, forecast before any measurement, is drawn from `DRAWN_KL`.

    Levels of units are what whole units make.
    """
    low, high = np.log(DRAWN_KL)
    kl = float(np.exp(rng.uniform(low, high)))
    if kind == SOLVED:
        plan = solve(map_choices(Forecaster.plain(smap)), [Target("kl", kl)]).plan
    elif kind == UNITS_AND_WEIGHTS:
        plan = _units_and_weights(smap, kl, rng)
    else:
        plan = _scaled(smap, SHAPES[kind](smap, rng), kl)
    return settable(plan, smap.unit_totals)


def _units_and_weights(smap: SensitivityMap, kl: float, rng: np.random.Generator) -> Plan:
    """Some kinds of units and of weights, in all layers or in some; in half of the plans layers go too.

    Those are drawn from the half of the layers that costs less, and cost half of the plan's KL at most.
    """
    without = str(rng.choice(EXCLUSIVE))
    kinds = [kind for kind in smap.kinds if kind not in (LAYERS, without)]
    dropped = _dropped(smap, 0.5 * kl, rng) if rng.random() < 0.5 else []
    taken = {kind for kind in kinds if rng.random() < 0.7}
    for bank in ([k for k in kinds if k in UNIT_KINDS], [k for k in kinds if k not in UNIT_KINDS]):
        if not taken & set(bank):
            taken.add(str(rng.choice(bank)))
    chosen = {
        kind: rng.uniform(0.5, 1.5) * (UNIT_SHARE if kind in UNIT_KINDS else 1.0)
        for kind in kinds
        if kind in taken
    }
    last = max(layer for layer, _ in smap.groups)
    stretches = {kind: sorted(rng.integers(0, last + 1, 2)) for kind in kinds}
    whole = {kind: rng.random() < 0.6 for kind in kinds}
    shape = np.array(
        [
            chosen[kind] * (whole[kind] or stretches[kind][0] <= layer <= stretches[kind][1])
            if kind in chosen and layer not in dropped
            else 0.0
            for layer, kind in smap.groups
        ]
    ) * rng.uniform(0.7, 1.3, len(smap.groups))
    gone = {(layer, LAYERS): 1.0 for layer in dropped}
    return gone | _scaled(smap, shape, kl, gone)


def _dropped(smap: SensitivityMap, kl: float, rng: np.random.Generator) -> list[int]:
    """Some layers of the cheaper half whose forecast KL together is at most `kl`; none if all cost more."""
    forecaster, costs = Forecaster.plain(smap), smap.joint_logs[:, -1]
    rows = [(costs[row], layer) for row, (layer, kind) in enumerate(smap.groups) if kind == LAYERS]
    cheaper = [layer for _, layer in sorted(rows)[: len(rows) // 2]]
    dropped: list[int] = []
    for layer in rng.permutation(cheaper)[: rng.integers(1, MOST_DROPPED + 1)]:
        plan = {(int(one), LAYERS): 1.0 for one in (*dropped, layer)}
        if forecaster.forecast(plan).kl <= kl:
            dropped.append(int(layer))
    return sorted(dropped)


def _scaled(smap: SensitivityMap, shape: np.ndarray, kl: float, beside: Plan | None = None) -> Plan:
    """Levels in the proportion of `shape` [groups] with this forecast KL, or as near as they come, `beside`
    other levels."""
    most = MAX_LEVEL / float(shape.min() or shape.max())
    forecaster = Forecaster.plain(smap)

    def plan(scale: float) -> Plan:
        levels = np.minimum(scale * shape, MAX_LEVEL).round(3)
        return {g: float(v) for g, v in zip(smap.groups, levels, strict=True) if v > 0}

    scale, _ = bisection(
        lambda scale: forecaster.forecast(plan(scale) | (beside or {})).kl >= kl, 0.0, most, HALVINGS
    )
    return plan(scale)
