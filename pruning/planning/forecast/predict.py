"""The arithmetic of a forecast: from levels to costs, from costs to KL, quality and size. Numpy only.

`pruning.planning.forecast.forecaster` puts it together.
"""

import math
from dataclasses import dataclass

import numpy as np

from pruning.planning.cost.storage import bitmask_bytes
from pruning.planning.forecast.fit import MAX_KL, PIVOT, ForecastFit
from pruning.planning.forecast.quality import QualityFit
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import UNIT_KINDS

BAND = 1.2816  # the band's half width in standard deviations: eight times in ten, if log errors are normal
DEPTH = "depth"
GROUP_SPREAD = 0.3  # one group alone, from 100 measured points at 50 % and 70 %


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


def outcome(
    smap: SensitivityMap, kl: float, spread: float, pruned: float, size: int, quality: QualityFit
) -> Forecast:
    """The forecast at this KL, whose log has the standard deviation `spread`.

    `pruned` weights are zero, and all weights take `size` bytes in the form that leaves them out.
    """
    factor = math.exp(BAND * spread)
    perplexity, accuracy = smap.dense["perplexity"], smap.dense["accuracy"]
    loss = quality.loss.band_at(kl, spread, BAND)
    differ = quality.agreement.band_at(kl, spread, BAND)
    wrong = quality.accuracy.band_at(kl, spread, BAND)
    return Forecast(
        kl=kl,
        kl_low=kl / factor,
        kl_high=min(kl * factor, MAX_KL),
        perplexity=_grown(perplexity, quality.loss.at(kl)),
        perplexity_low=_grown(perplexity, loss[0]),
        perplexity_high=_grown(perplexity, loss[1]),
        agreement=math.exp(-quality.agreement.at(kl)),
        agreement_low=math.exp(-differ[1]),
        agreement_high=min(1.0, math.exp(-differ[0])),
        accuracy=accuracy * math.exp(-quality.accuracy.at(kl)),
        accuracy_low=accuracy * math.exp(-wrong[1]),
        accuracy_high=min(1.0, accuracy * math.exp(-wrong[0])),
        parameters=round(smap.dense["parameters"] - pruned),
        bytes=size,
        file_bytes=size if smap.structure in UNIT_KINDS else round(smap.dense["bytes"]),
        sparsity=pruned / smap.prunable,
    )


def _grown(perplexity: float, loss: float) -> float:
    """The perplexity when the cross-entropy rises by so much, nats per token."""
    return perplexity * math.exp(min(loss, MAX_KL))


def sparse_bytes(smap: SensitivityMap, levels: np.ndarray) -> int:
    """The weights' size in a compact file, in bytes: in each group one bit per weight and those kept.

    Units pruned whole take no bytes at all.
    """
    width = int(smap.dense["weight_bytes"])
    dense, kept = smap.parameters * width, (1 - levels) * smap.parameters
    structured = smap.structure in UNIT_KINDS
    sparse = kept * width if structured else bitmask_bytes(smap.parameters, kept, width)
    return round(smap.dense["bytes"] - float((dense - sparse).sum()))


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
