"""From a plan to a forecast: quality with its band, and size. Pure numpy, far below a millisecond."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pruning.costmap import SensitivityMap
from pruning.plan import Group, Plan

__all__ = [
    "Calibration",
    "Forecast",
    "SensitivityMap",
    "calibrate",
    "costs_at",
    "curve",
    "forecast",
    "forecast_alone",
    "group_costs",
    "prior",
]

BAND = 1.645  # nine times in ten, if log errors are normal
MAX_KL = 30.0
# The prior, found on the demo model before any calibration; how well it does is in the README.
PRIOR_KAPPA = 1.25
PRIOR_SPREAD = 0.25
PRIOR_BETA = 1.0
GROUP_SPREAD = 0.3  # one group alone, from 100 measured points at 50 % and 70 %
PRIOR_WEIGHT = 4.0
KAPPA_SD = 0.4
BETA_SD = 0.1
# How much of the dense model's choices is kept at a KL: exp(-a · KL^b), fitted on the demo model.
AGREEMENT_FIT = (0.78, 0.6)
ACCURACY_FIT = (0.33, 1.1)
# Cross-entropy rises by KL² / (KL + lag): a lightly pruned model is less sure of itself, and where the dense
# one was too sure that costs nothing at first. The band runs from twice the lag to none.
LAG = 0.25
AGREEMENT_SLACK = 1.03
ACCURACY_SLACK = 1.05


@dataclass(frozen=True)
class Calibration:
    """KL = κ · (Σ cost)^β, with `spread` the standard deviation of log(measured / forecast).

    `measured` counts the measurements behind it; 0 means that it is the prior.
    """

    kappa: float
    beta: float
    spread: float
    measured: int


@dataclass(frozen=True)
class Forecast:
    """What a plan is forecast to do; `_low` and `_high` hold the truth nine times in ten.

    `kl` in nats per token; `agreement` and `accuracy` 0..1; `parameters` are those that stay; `bytes` is
    the weights' size with zeros stored sparsely; `sparsity` is the share of prunable weights removed.
    """

    kl: float
    kl_low: float
    kl_high: float
    perplexity: float
    perplexity_low: float
    perplexity_high: float
    agreement: float
    agreement_low: float
    agreement_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    parameters: int
    bytes: int
    sparsity: float


def prior() -> Calibration:
    """What holds before anything is measured."""
    return Calibration(kappa=PRIOR_KAPPA, beta=PRIOR_BETA, spread=PRIOR_SPREAD, measured=0)


def calibrate(table: SensitivityMap, measurements: Sequence[tuple[Plan, float]]) -> Calibration:
    """κ, β and spread from measured (plan, KL) pairs, leaning on the prior while there are few.

    Least squares of log KL on log Σ cost with normal priors on log κ and β; the spread pools the residuals
    with the prior's as if that had been seen `PRIOR_WEIGHT` times.
    """
    start = prior()
    pairs = [(total_cost(table, plan), kl) for plan, kl in measurements]
    pairs = [(cost, kl) for cost, kl in pairs if cost > 0 and kl > 0]
    if not pairs:
        return start
    x, y = np.log(np.array(pairs)).T
    design = np.stack([np.ones_like(x), x], axis=1)
    offset = y - design @ np.array([math.log(start.kappa), start.beta])
    precision = np.diag([1 / KAPPA_SD**2, 1 / BETA_SD**2])
    solution = np.linalg.solve(
        design.T @ design / start.spread**2 + precision, design.T @ offset / start.spread**2
    )
    residuals = offset - design @ solution
    variance = (PRIOR_WEIGHT * start.spread**2 + float(residuals @ residuals)) / (PRIOR_WEIGHT + len(pairs))
    return Calibration(
        kappa=start.kappa * math.exp(float(solution[0])),
        beta=start.beta + float(solution[1]),
        spread=math.sqrt(variance),
        measured=len(pairs),
    )


def total_cost(table: SensitivityMap, plan: Plan) -> float:
    """Σ cost of the plan's groups, before calibration."""
    return float(costs_at(table, table.levels_of(plan)).sum())


def group_costs(table: SensitivityMap, plan: Plan, calibration: Calibration | None = None) -> np.ndarray:
    """Each group's share of the forecast KL [groups], nats per token; they add up to it."""
    costs = costs_at(table, table.levels_of(plan))
    total = costs.sum()
    return costs * (_kl(float(total), calibration or prior()) / total) if total > 0 else costs


def curve(
    table: SensitivityMap, group: Group, calibration: Calibration | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast KL of one group alone at level 0 and at the map's levels: (levels, KL), each [levels + 1]."""
    used = calibration or prior()
    levels = np.array([0.0, *table.levels])
    return levels, np.array([_kl(total_cost(table, {group: level}), used) for level in levels])


def forecast(table: SensitivityMap, plan: Plan, calibration: Calibration | None = None) -> Forecast:
    """Quality with its band, and size, of a plan. Without `calibration` the prior is used."""
    levels = table.levels_of(plan)
    costs = costs_at(table, levels)
    total = float(costs.sum())
    one = float(costs @ costs) / total**2 if total > 0 else 0.0
    gone, size = float(levels @ table.parameters), sparse_bytes(table, levels)
    return _outcome(table, calibration or prior(), total, one, gone, size)


def forecast_alone(
    table: SensitivityMap, calibration: Calibration | None = None
) -> dict[tuple[Group, float], Forecast]:
    """The forecast of every group at every level of the map, that group alone pruned; level 0 included."""
    used, costs = calibration or prior(), np.exp(table.logs[1])
    nothing = forecast(table, {}, used)
    found = {(group, 0.0): nothing for group in table.groups}
    for row, group in enumerate(table.groups):
        count = int(table.parameters[row])
        dense = count * table.dense["weight_bytes"]
        for column, level in enumerate(map(float, table.levels)):
            saved = dense - min(dense, (1 - level) * dense + count / 8)
            size = round(table.dense["bytes"] - saved)
            found[group, level] = _outcome(table, used, float(costs[row, column]), 1.0, level * count, size)
    return found


def _outcome(
    table: SensitivityMap, used: Calibration, cost: float, one: float, gone: float, size: int
) -> Forecast:
    """The forecast at a total cost.

    `one` is Σ c² / (Σ c)², 1 where a single group carries the cost: the groups' own errors average out over
    as many groups as carry it.
    """
    kl = _kl(cost, used)
    factor = math.exp(BAND * math.sqrt(used.spread**2 + GROUP_SPREAD**2 * one))
    low, high = kl / factor, min(kl * factor, MAX_KL)
    perplexity, accuracy = table.dense["perplexity"], table.dense["accuracy"]
    return Forecast(
        kl=kl,
        kl_low=low,
        kl_high=high,
        perplexity=perplexity * math.exp(loss_at(kl)),
        perplexity_low=perplexity * math.exp(loss_at(low, 2 * LAG)),
        perplexity_high=perplexity * math.exp(high),
        agreement=agreement_at(kl),
        agreement_low=agreement_at(high) / AGREEMENT_SLACK if kl > 0 else 1.0,
        agreement_high=min(1.0, agreement_at(low) * AGREEMENT_SLACK),
        accuracy=accuracy * accuracy_at(kl),
        accuracy_low=accuracy * accuracy_at(high) / ACCURACY_SLACK if kl > 0 else accuracy,
        accuracy_high=min(1.0, accuracy * accuracy_at(low) * (ACCURACY_SLACK if kl > 0 else 1.0)),
        parameters=round(table.dense["parameters"] - gone),
        bytes=size,
        sparsity=gone / table.prunable,
    )


def sparse_bytes(table: SensitivityMap, levels: np.ndarray) -> int:
    """The weights' size when each group's zeros are stored sparsely: one bit per weight and what stays."""
    dense = table.parameters * table.dense["weight_bytes"]
    sparse = np.minimum(dense, (1 - levels) * dense + table.parameters / 8)
    return round(table.dense["bytes"] - float((dense - sparse).sum()))


def loss_at(kl: float, lag: float = LAG) -> float:
    """By how much the cross-entropy rises at this KL, nats per token."""
    return kl * kl / (kl + lag) if kl > 0 else 0.0


def agreement_at(kl: float) -> float:
    """Share of positions, 0..1, where the most likely token stays the dense model's, at this KL."""
    return math.exp(-AGREEMENT_FIT[0] * kl ** AGREEMENT_FIT[1])


def accuracy_at(kl: float) -> float:
    """Next-token accuracy at this KL as a share of the dense model's, 0..1."""
    return math.exp(-ACCURACY_FIT[0] * kl ** ACCURACY_FIT[1])


def _kl(cost: float, calibration: Calibration) -> float:
    return min(calibration.kappa * cost**calibration.beta, MAX_KL) if cost > 0 else 0.0


def costs_at(table: SensitivityMap, levels: np.ndarray) -> np.ndarray:
    """Cost of each group at its level [groups], on straight lines between log levels and log costs.

    Below the first and above the last level the nearest line is carried on.
    """
    known, costs = table.logs
    active = np.flatnonzero(levels > 0)
    result = np.zeros(len(levels))
    if len(active) == 0:
        return result
    wanted = np.log(levels[active])
    if len(known) == 1:
        result[active] = np.exp(costs[active, 0] + 2 * (wanted - known[0]))
        return result
    right = np.clip(np.searchsorted(known, wanted), 1, len(known) - 1)
    left = right - 1
    share = (wanted - known[left]) / (known[right] - known[left])
    result[active] = np.exp(costs[active, left] + share * (costs[active, right] - costs[active, left]))
    return result
