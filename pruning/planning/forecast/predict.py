"""The arithmetic of a forecast: from levels to costs, from costs to KL, quality and size. Numpy only.

`pruning.planning.forecast.forecaster` puts it together.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pruning.planning.cost.storage import bitmask_bytes
from pruning.planning.forecast.fit import MAX_KL, PIVOT, ForecastFit
from pruning.planning.forecast.quality import QualityFit
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan

BAND = 1.2816  # the band's half width in standard deviations: eight times in ten, if log errors are normal
DEPTH = "depth"
GROUP_SPREAD = 0.3  # one group alone, from 100 measured points at 50 % and 70 %
# A whole layer is priced less well, and layers lean on each other: what a set of them is off by besides, for
# each after the first and for each pair of neighbours.
LAYER_SPREAD, SET_SPREAD = 0.5, 0.1
# A weight beside units costs its share of the group to this power.
KEPT_POWER = 1.0


@dataclass(frozen=True)
class Forecast:
    """What a plan is forecast to do; `_low` and `_high` hold the truth eight times in ten.

    `kl` in nats per token; `agreement` and `accuracy` 0..1; `parameters` are those kept; `file_bytes` is
    what an ordinary export writes, units cut out of it, `bytes` what a compact one does; `sparsity` is the
    share of prunable weights pruned, with units or by themselves.
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


@dataclass(frozen=True)
class Sizes:
    """What a plan leaves. `pruned` prunable weights are gone and `rest`, others of whole layers that go;
    `bytes` of a compact file, `file_bytes` of an ordinary one."""

    pruned: float
    rest: float
    bytes: int
    file_bytes: int


def spread_of(smap: SensitivityMap, costs: np.ndarray, fit: ForecastFit) -> float:
    """The standard deviation of log KL at these weighted costs [groups].

    What adds up: what no factor explains, how well the factors are known (least near what was measured), the
    errors of single groups, which average out over as many as carry the cost, and those of sets of layers.
    """
    total = float(costs.sum())
    if total <= 0:
        return fit.spread
    single = costs * np.where(smap.mix.layers, LAYER_SPREAD, GROUP_SPREAD)
    variance = fit.spread**2 + float(single @ single) / total**2
    whole = float(costs[smap.mix.layers].sum()) / total
    if whole > 0:
        variance += (SET_SPREAD * whole) ** 2 * leaning(smap, costs)
    if fit.covariance:
        shares = dict(zip((*smap.kinds, DEPTH), costs @ smap.traits / total, strict=True))
        of_traits = [fit.beta * float(shares.get(trait, 0.0)) for trait in (*fit.weights, DEPTH)]
        slopes = np.array([1.0, math.log(total / PIVOT), *of_traits])
        variance += float(slopes @ np.array(fit.covariance) @ slopes)
    return math.sqrt(variance)


def leaning(smap: SensitivityMap, costs: np.ndarray) -> int:
    """How many layers go after the first, and how many pairs of them are neighbours; 0 for a single one."""
    rows = np.flatnonzero(smap.mix.layers & (costs > 0))
    gone = sorted(smap.groups[row][0] for row in rows)
    return max(0, len(gone) - 1) + sum(after - before == 1 for before, after in pairwise(gone))


def outcome(smap: SensitivityMap, kl: float, spread: float, sizes: Sizes, quality: QualityFit) -> Forecast:
    """The forecast at this KL, whose log has the standard deviation `spread`, of a plan with these sizes."""
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
        parameters=round(smap.dense["parameters"] - sizes.pruned - sizes.rest),
        bytes=sizes.bytes,
        file_bytes=sizes.file_bytes,
        sparsity=sizes.pruned / smap.prunable,
    )


def _grown(perplexity: float, loss: float) -> float:
    """The perplexity when the cross-entropy rises by so much, nats per token."""
    return perplexity * math.exp(min(loss, MAX_KL))


def sizes_at(smap: SensitivityMap, levels: np.ndarray) -> Sizes:
    """The sizes at these levels [groups], of whole units.

    Units are cut out, and take no bytes. An ordinary file holds single weights that are zero like any number,
    a compact one has in each group one bit for a weight and those that are kept.
    """
    width, dense, mix = int(smap.dense["weight_bytes"]), float(smap.dense["bytes"]), smap.mix
    if mix.units.all():
        gone = float(levels @ smap.parameters)
        return Sizes(gone, 0.0, round(dense - width * gone), round(dense - width * gone))
    there = np.where(mix.units, 0.0, smap.parameters * mix.kept(levels))
    kept = (1 - levels) * there
    rest = float(levels @ mix.rest)
    cut = smap.prunable - float(there.sum())
    saved = float((there * width - bitmask_bytes(there, kept, width)).sum())
    ordinary = dense - width * (cut + rest)
    return Sizes(smap.prunable - float(kept.sum()), rest, round(ordinary - saved), round(ordinary))


def size_alone(smap: SensitivityMap, row: int, level: float) -> Sizes:
    """The sizes where the group in a row of the map is pruned to a level, and nothing else."""
    width, dense = int(smap.dense["weight_bytes"]), float(smap.dense["bytes"])
    count = int(smap.parameters[row])
    gone, rest = level * count, level * int(smap.mix.rest[row])
    if smap.mix.units[row]:
        size = round(dense - width * gone)
        return Sizes(gone - rest, rest, size, size)
    saved = count * width - float(bitmask_bytes(count, count - gone, width))
    return Sizes(gone, 0.0, round(dense - saved), round(dense))


def plan_costs(smap: SensitivityMap, plan: Plan, logs: np.ndarray | None = None) -> np.ndarray:
    """Cost of each group in a plan [groups], before any fit: of units, and of weights in what stays of their
    group beside them. `logs` as in `costs_at`.

    Raises PruningError for a group that the map does not have.
    """
    levels = smap.mix.whole(smap.levels_of(plan))
    return costs_at(smap, levels, logs) * smap.mix.kept(levels) ** KEPT_POWER


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
