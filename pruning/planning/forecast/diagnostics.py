"""Diagnostics of a forecast: additivity (do the groups' costs add up?) and extrapolation (does the plan lie
where plans were measured?)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pruning.planning.forecast.fit import KAPPA_SD, MAX_KL, PRIOR_KAPPA
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import BAND, GROUP_SPREAD, Forecast, plan_costs
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import LAYERS, Group, Plan

# A sum that is the end of what was measured by another order of adding is not beyond it.
ROUNDING = 1e-9
# So many whole layers, or neighbours, make a forecast weak once they cost this share of the KL.
MANY_LAYERS, WEAK_SHARE = 3, 0.25


@dataclass(frozen=True)
class Additivity:
    """A plan's KL over the sum of what its groups cost one by one: `times`, 1 where costs just add up and
    above 1 where groups hurt together more than alone. `low` and `high` hold it eight times in ten.

    `alone` is that sum, nats per token.
    """

    times: float
    low: float
    high: float
    alone: float

    @property
    def explained(self) -> bool:
        """Whether plain addition is within the band."""
        return self.low <= 1 <= self.high


@dataclass(frozen=True)
class Reach:
    """Where a plan lies beside what was measured. All three are forecast KL, nats per token: of the plan, and
    of the least and the most that was measured. `beyond` is 1 above the most, −1 below the least, else 0."""

    kl: float
    least: float
    most: float
    beyond: int


@dataclass(frozen=True)
class LayerSet:
    """The whole layers of a plan: their numbers, the share of the forecast KL that they cost, 0..1, and how
    many pairs of them are neighbours.

    `weak`: the forecast leans on costs that were worked out one layer at a time, and here layers that lean on
    each other go together; only a measurement of the plan says what that costs.
    """

    layers: tuple[int, ...]
    share: float
    neighbours: int

    @property
    def weak(self) -> bool:
        together = len(self.layers) >= MANY_LAYERS or self.neighbours > 0
        return together and self.share >= WEAK_SHARE


def layer_set(forecaster: Forecaster, plan: Plan) -> LayerSet | None:
    """What is to be said of the plan's whole layers; None where it drops none."""
    layers = tuple(sorted(layer for (layer, kind), level in plan.items() if kind == LAYERS and level > 0))
    if not layers:
        return None
    costs = forecaster.costs(plan)
    share = float(costs[forecaster.smap.mix.layers].sum()) / max(float(costs.sum()), 1e-30)
    return LayerSet(layers, share, sum(after - before == 1 for before, after in pairwise(layers)))


def one_by_one(
    smap: SensitivityMap, plan: Plan, singles: Mapping[Group, Sequence[tuple[float, float]]] | None = None
) -> tuple[float, float]:
    """The sum of what each of the plan's groups would cost if it were the only one, nats per token, and the
    standard deviation of its log.

    From the map's single-group costs at the plan's levels, times a factor. `singles` are measured (level, KL)
    of single groups, which the factor is fitted to; without any it is the prior's κ. The fit to measured
    plans is left out: it is about groups together, and would hide just what is asked for.
    """
    costs = plan_costs(smap, plan, smap.logs[1])
    total = float(costs.sum())
    if total <= 0:
        return 0.0, 0.0
    factor, unsure = _factor(smap, singles or {})
    averaged = GROUP_SPREAD**2 * float(costs @ costs) / total**2
    return min(factor * total, MAX_KL), math.sqrt(unsure**2 + averaged)


def _factor(
    smap: SensitivityMap, singles: Mapping[Group, Sequence[tuple[float, float]]]
) -> tuple[float, float]:
    """By what single-group costs are multiplied, and the standard deviation of its log: the mean of measured
    groups with a normal prior, each group counted once whatever the number of its levels."""
    log_ratios = []
    for group, points in singles.items():
        logs = [
            math.log(kl / cost)
            for level, kl in points
            if kl > 0 and (cost := plan_costs(smap, {group: level}, smap.logs[1]).sum()) > 0
        ]
        if logs:
            log_ratios.append(float(np.mean(logs)))
    precision = KAPPA_SD**-2 + len(log_ratios) * GROUP_SPREAD**-2
    prior = math.log(PRIOR_KAPPA)
    moved = sum(log - prior for log in log_ratios) * GROUP_SPREAD**-2 / precision
    return math.exp(prior + moved), precision**-0.5


def additivity(forecast: Forecast, alone: tuple[float, float]) -> Additivity | None:
    """How far a forecast lies from plain addition; None for a plan that costs nothing.

    `alone` is what `one_by_one` gives. Both errors count in full, though some of them are shared: the band is
    rather too wide than too narrow.
    """
    if forecast.kl <= 0 or forecast.kl_low <= 0:
        return None
    return _times(forecast.kl, math.log(forecast.kl / forecast.kl_low) / BAND, alone)


def measured_additivity(kl: float, alone: tuple[float, float]) -> Additivity | None:
    """The same for a measured KL, which counts as exact: what is unsure is what groups cost alone."""
    return _times(kl, 0.0, alone) if kl > 0 else None


def _times(kl: float, spread: float, alone: tuple[float, float]) -> Additivity | None:
    total, unsure = alone
    if total <= 0:
        return None
    times, factor = kl / total, math.exp(BAND * math.hypot(spread, unsure))
    return Additivity(times, times / factor, times * factor, total)


def reach(forecaster: Forecaster, plan: Plan) -> Reach | None:
    """Where the plan's Σ cost lies beside those that were measured; None for no plan, or nothing measured."""
    fit, cost = forecaster.fit, float(forecaster.costs(plan).sum())
    if cost <= 0 or fit.measured == 0:
        return None
    above = cost > fit.most * (1 + ROUNDING)
    below = cost < fit.least * (1 - ROUNDING)
    return Reach(fit.kl_of(cost), fit.kl_of(fit.least), fit.kl_of(fit.most), int(above) - int(below))
