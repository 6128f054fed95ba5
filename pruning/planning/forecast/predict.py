"""The arithmetic of a forecast: from levels to costs, from costs to KL, quality and size. Numpy only.

`pruning.planning.forecast.forecaster` puts it together.
"""

import math
from dataclasses import dataclass

import numpy as np

from pruning.planning.cost.storage import bitmask_bytes
from pruning.planning.forecast.fit import MAX_KL, PIVOT, ForecastFit
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS

BAND = 1.2816  # the band's half width in standard deviations: eight times in ten, if log errors are normal
DEPTH = "depth"
GROUP_SPREAD = 0.3  # one group alone, from 100 measured points at 50 % and 70 %
# How many of the dense model's choices are kept at a KL: exp(-a · KL^b), fitted on the demo model.
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

    `kl` in nats per token; `agreement` and `accuracy` 0..1; `parameters` are those kept; `file_bytes` is
    what an ordinary export writes, `bytes` what a compact one does (the same where whole units are pruned);
    `sparsity` is the share of prunable weights pruned.
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
    file_bytes: int
    sparsity: float


def spread_of(smap: SensitivityMap, costs: np.ndarray, fit: ForecastFit) -> float:
    """The standard deviation of log KL at these weighted costs [groups].

    Three things add up: what no factor explains, how well the factors are known (least near what was
    measured), and the errors of single groups, which average out over as many as carry the cost.
    """
    total = float(costs.sum())
    if total <= 0:
        return fit.spread
    variance = fit.spread**2 + GROUP_SPREAD**2 * float(costs @ costs) / total**2
    if fit.covariance:
        shares = dict(zip((*smap.kinds, DEPTH), costs @ smap.traits / total, strict=True))
        of_traits = [fit.beta * float(shares.get(trait, 0.0)) for trait in (*fit.weights, DEPTH)]
        slopes = np.array([1.0, math.log(total / PIVOT), *of_traits])
        variance += float(slopes @ np.array(fit.covariance) @ slopes)
    return math.sqrt(variance)


def outcome(smap: SensitivityMap, kl: float, spread: float, pruned: float, size: int) -> Forecast:
    """The forecast at this KL, whose log has the standard deviation `spread`.

    `pruned` weights are zero, and all weights take `size` bytes in the form that leaves them out.
    """
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
        parameters=round(smap.dense["parameters"] - pruned),
        bytes=size,
        file_bytes=size if smap.structure in UNIT_KINDS else round(smap.dense["bytes"]),
        sparsity=pruned / smap.prunable,
    )


def sparse_bytes(smap: SensitivityMap, levels: np.ndarray) -> int:
    """The weights' size in a compact file, in bytes: in each group one bit per weight and those kept.

    Units pruned whole take no bytes at all.
    """
    width = int(smap.dense["weight_bytes"])
    dense, kept = smap.parameters * width, (1 - levels) * smap.parameters
    structured = smap.structure in UNIT_KINDS
    sparse = kept * width if structured else bitmask_bytes(smap.parameters, kept, width)
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


def costs_at(smap: SensitivityMap, levels: np.ndarray, logs: np.ndarray | None = None) -> np.ndarray:
    """Cost of each group at its level [groups] in a plan, on straight lines between log levels and log costs.

    Below the first and above the last level the nearest line is carried on. `logs` [groups, levels] are other
    log costs than those of groups in a plan of many.
    """
    log_levels, log_costs = smap.logs[0], smap.joint_logs if logs is None else logs
    active = np.flatnonzero(levels > 0)
    result = np.zeros(len(levels))
    if len(active) == 0:
        return result
    logs_at = np.log(levels[active])
    if len(log_levels) == 1:
        result[active] = np.exp(log_costs[active, 0] + 2 * (logs_at - log_levels[0]))
        return result
    right = np.clip(np.searchsorted(log_levels, logs_at), 1, len(log_levels) - 1)
    left = right - 1
    share = (logs_at - log_levels[left]) / (log_levels[right] - log_levels[left])
    result[active] = np.exp(
        log_costs[active, left] + share * (log_costs[active, right] - log_costs[active, left])
    )
    return result
