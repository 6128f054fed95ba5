"""From a plan to a forecast: quality with its band, and size. Pure numpy, far below a millisecond."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pruning.planning.cost.storage import bitmask_bytes
from pruning.planning.forecast.fit import PIVOT, ForecastFit, fit_parameters
from pruning.planning.forecast.fit import prior as prior_for
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS, Group, Plan

__all__ = [
    "Forecast",
    "ForecastFit",
    "SensitivityMap",
    "cost_of",
    "costs_at",
    "curve",
    "fit_forecast",
    "forecast",
    "forecast_alone",
    "group_costs",
    "prior",
]

BAND = 1.2816  # eight times in ten, if log errors are normal
DEPTH = "depth"
MAX_KL = 30.0
GROUP_SPREAD = 0.3  # one group alone, from 100 measured points at 50 % and 70 %
# How much of the dense model's choices is kept at a KL: exp(-a · KL^b), fitted on the demo model.
AGREEMENT_FIT = (0.78, 0.6)
ACCURACY_FIT = (0.33, 1.1)
# Cross-entropy rises by KL² / (KL + lag): a lightly pruned model is less sure of itself, and where the dense
# one was too sure that costs nothing at first. The band runs from twice the lag to none.
LAG = 0.25
AGREEMENT_SLACK = 1.03
ACCURACY_SLACK = 1.05


@dataclass(frozen=True)
class Forecast:
    """What a plan is forecast to do; `_low` and `_high` hold the truth eight times in ten.

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


def prior(smap: SensitivityMap | None = None) -> ForecastFit:
    """What holds before anything is measured; with a map also how little is known of each of its kinds."""
    return prior_for(() if smap is None else smap.kinds)


def fit_forecast(smap: SensitivityMap, measurements: Sequence[tuple[Plan, float]]) -> ForecastFit:
    """What measured (plan, KL) pairs of the map teach, leaning on the prior while there are few."""
    pairs = [(costs_at(smap, smap.levels_of(plan)), kl) for plan, kl in measurements]
    pairs = [(costs, kl) for costs, kl in pairs if costs.sum() > 0 and kl > 0]
    costs = np.array([costs for costs, _ in pairs]).reshape(-1, len(smap.groups))
    return fit_parameters(smap.kinds, smap.traits, costs, np.array([kl for _, kl in pairs]))


def total_cost(smap: SensitivityMap, plan: Plan) -> float:
    """Σ cost of the plan's groups, before calibration."""
    return float(costs_at(smap, smap.levels_of(plan)).sum())


def group_costs(smap: SensitivityMap, plan: Plan, calibration: ForecastFit | None = None) -> np.ndarray:
    """Each group's share of the forecast KL [groups], nats per token; they add up to it."""
    used = calibration or prior()
    costs = costs_at(smap, smap.levels_of(plan)) * weights_of(smap, used)
    total = costs.sum()
    return costs * (_kl(float(total), used) / total) if total > 0 else costs


def curve(
    smap: SensitivityMap, group: Group, calibration: ForecastFit | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast KL of one group alone at level 0 and at the map's levels: (levels, KL), each [levels + 1]."""
    used = calibration or prior()
    costs = np.exp(smap.logs[1][smap.groups.index(group)])
    return np.array([0.0, *smap.levels]), np.array([0.0, *(_kl(float(cost), used) for cost in costs)])


def forecast(smap: SensitivityMap, plan: Plan, calibration: ForecastFit | None = None) -> Forecast:
    """Quality with its band, and size, of a plan. Without `calibration` the prior is used."""
    used, levels = calibration or prior(smap), smap.levels_of(plan)
    costs = costs_at(smap, levels) * weights_of(smap, used)
    gone, size = float(levels @ smap.parameters), sparse_bytes(smap, levels)
    return _outcome(smap, used, float(costs.sum()), _spread(smap, costs, used), gone, size)


def forecast_alone(
    smap: SensitivityMap, calibration: ForecastFit | None = None
) -> dict[tuple[Group, float], Forecast]:
    """The forecast of every group at every level of the map, that group alone pruned; level 0 included.

    From the map's single-group costs; what plans of many groups taught about kinds is left out.
    """
    used, costs = calibration or prior(smap), np.exp(smap.logs[1])
    nothing = forecast(smap, {}, used)
    found = {(group, 0.0): nothing for group in smap.groups}
    for row, group in enumerate(smap.groups):
        count = int(smap.parameters[row])
        width = int(smap.dense["weight_bytes"])
        dense = count * width
        for column, level in enumerate(map(float, smap.levels)):
            saved = dense - bitmask_bytes(count, (1 - level) * count, width)
            size = round(smap.dense["bytes"] - saved)
            alone = np.zeros(len(smap.groups))
            alone[row] = cost = float(costs[row, column])
            spread = _spread(smap, alone, used)
            found[group, level] = _outcome(smap, used, cost, spread, level * count, size)
    return found


def weights_of(smap: SensitivityMap, calibration: ForecastFit) -> np.ndarray:
    """By what each group's cost is multiplied [groups]."""
    kinds = np.array([calibration.weights.get(kind, 1.0) for _, kind in smap.groups])
    return np.asarray(kinds * np.exp(calibration.depth * smap.traits[:, -1]))


def priced(smap: SensitivityMap, calibration: ForecastFit) -> SensitivityMap:
    """The map with every group's costs as the calibration has them, for who compares groups."""
    weights = weights_of(smap, calibration)[:, None]
    return replace(smap, kronecker=smap.kronecker * weights, token=smap.token * weights)


def _spread(smap: SensitivityMap, costs: np.ndarray, used: ForecastFit) -> float:
    """The standard deviation of log KL at these calibrated costs [groups].

    Three things add up: what no factor explains, how well the factors are known (least near what was
    measured), and the errors of single groups, which average out over as many as carry the cost.
    """
    total = float(costs.sum())
    if total <= 0:
        return used.spread
    variance = used.spread**2 + GROUP_SPREAD**2 * float(costs @ costs) / total**2
    if used.covariance:
        shares = dict(zip((*smap.kinds, DEPTH), costs @ smap.traits / total, strict=True))
        of_traits = [used.beta * float(shares.get(trait, 0.0)) for trait in (*used.weights, DEPTH)]
        slopes = np.array([1.0, math.log(total / PIVOT), *of_traits])
        variance += float(slopes @ np.array(used.covariance) @ slopes)
    return math.sqrt(variance)


def _outcome(
    smap: SensitivityMap, used: ForecastFit, cost: float, spread: float, gone: float, size: int
) -> Forecast:
    """The forecast at a total calibrated cost, with the standard deviation of its log."""
    kl = _kl(cost, used)
    factor = math.exp(BAND * spread)
    low, high = kl / factor, min(kl * factor, MAX_KL)
    perplexity, accuracy = smap.dense["perplexity"], smap.dense["accuracy"]
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
        parameters=round(smap.dense["parameters"] - gone),
        bytes=size,
        sparsity=gone / smap.prunable,
    )


def sparse_bytes(smap: SensitivityMap, levels: np.ndarray) -> int:
    """The weights' size when each group's zeros are stored sparsely: one bit per weight and what stays.

    Units that go whole leave nothing behind.
    """
    width = int(smap.dense["weight_bytes"])
    dense, kept = smap.parameters * width, (1 - levels) * smap.parameters
    whole = smap.structure in UNIT_KINDS
    sparse = kept * width if whole else bitmask_bytes(smap.parameters, kept, width)
    return round(smap.dense["bytes"] - float((dense - sparse).sum()))


def loss_at(kl: float, lag: float = LAG) -> float:
    """By how much the cross-entropy rises at this KL, nats per token."""
    return kl * kl / (kl + lag) if kl > 0 else 0.0


def agreement_at(kl: float) -> float:
    """Share of positions, 0..1, where the most likely token stays the dense model's, at this KL."""
    return math.exp(-AGREEMENT_FIT[0] * kl ** AGREEMENT_FIT[1])


def accuracy_at(kl: float) -> float:
    """Next-token accuracy at this KL as a share of the dense model's, 0..1."""
    return math.exp(-ACCURACY_FIT[0] * kl ** ACCURACY_FIT[1])


def cost_of(kl: float, calibration: ForecastFit | None = None) -> float:
    """The Σ cost at which the forecast KL is `kl`."""
    used = calibration or prior()
    return (kl / used.kappa) ** (1 / used.beta) if kl > 0 else 0.0


def _kl(cost: float, calibration: ForecastFit) -> float:
    return min(calibration.kappa * cost**calibration.beta, MAX_KL) if cost > 0 else 0.0


def costs_at(smap: SensitivityMap, levels: np.ndarray, logs: np.ndarray | None = None) -> np.ndarray:
    """Cost of each group at its level [groups] in a plan, on straight lines between log levels and log costs.

    Below the first and above the last level the nearest line is carried on. `logs` [groups, levels] are other
    log costs than those of groups in a plan of many.
    """
    known, costs = smap.logs[0], smap.joint_logs if logs is None else logs
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
