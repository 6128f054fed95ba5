"""The fit of forecasts to measured plans: factors of all groups, of a kind and of the depth, with their
uncertainty.

log KL = log κ + β · log Σ_g w_g · c_g, where c_g is what a plan's group g costs by the map and
log w_g = log w_kind + depth · z, z from −1 in the first layer to 1 in the last: a regression with normal
priors (MacKay 1992), solved by Gauss-Newton.

References
----------
D. J. C. MacKay, "Bayesian Interpolation", Neural Computation 4 (1992).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pruning.planning.forecast.quality import PRIOR as PRIOR_QUALITY
from pruning.planning.forecast.quality import QualityFit

# The prior, found on the demo model before any plan was measured; how well it does is in docs/results.md.
PRIOR_KAPPA = 1.25
PRIOR_BETA = 1.0
PRIOR_SPREAD = 0.12  # of what no factor explains, as a standard deviation of log KL
PRIOR_WEIGHT = 6.0  # as many measurements as the prior of the spread counts for
KAPPA_SD, BETA_SD, KIND_SD, DEPTH_SD = 0.25, 0.08, 0.3, 0.3
# What units cost beside weights, before any plan is measured: in plans of many groups they hurt more than
# one layer at a time, since the layers behind do not see what was refitted.
PRIOR_WEIGHTS = {"neurons": 1.2, "heads": 1.8, "kv_groups": 1.8, "layers": 1.2}
# Of one kind alone no depth is fitted: fitted to ramps of neurons it made solved plans 2 % worse.
FIXED_SD = 1e-3
# The costs at which β does not matter: where most plans lie that anybody wants.
PIVOT = 0.3
ROUNDS = 20
MAX_KL = 30.0  # nats per token; no forecast is above it


@dataclass(frozen=True)
class ForecastFit:
    """KL = κ · (Σ w · cost)^β with a weight w for each group, and how uncertain that is.

    `weights` by kind, times exp(`depth` · z) in a layer at z, −1 (the first) to 1 (the last).
    `spread`: the standard deviation of log(measured / forecast) that would stay if the factors were known;
    `covariance` of (log KL at a cost of `PIVOT`, β, log of each of `weights` in order, `depth`). `measured`
    counts the measurements behind it (0: the prior), whose Σ w · cost went from `least` to `most`.
    `quality` leads from KL to perplexity, agreement and accuracy.
    """

    kappa: float
    beta: float
    spread: float
    measured: int
    weights: Mapping[str, float] = field(default_factory=dict)
    depth: float = 0.0
    covariance: tuple[tuple[float, ...], ...] = ()
    least: float = math.inf
    most: float = 0.0
    quality: QualityFit = PRIOR_QUALITY

    def kl_of(self, cost: float) -> float:
        """The KL at this Σ w · cost, nats per token; at most `MAX_KL`."""
        return min(self.kappa * cost**self.beta, MAX_KL) if cost > 0 else 0.0

    def cost_of(self, kl: float) -> float:
        """The Σ w · cost at which the KL is `kl`, nats per token."""
        return (kl / self.kappa) ** (1 / self.beta) if kl > 0 else 0.0


def prior(kinds: Sequence[str] = ()) -> ForecastFit:
    """What holds before anything is measured, for a map with these kinds of group."""
    precision = _precision(len(kinds))
    return ForecastFit(
        kappa=PRIOR_KAPPA,
        beta=PRIOR_BETA,
        spread=PRIOR_SPREAD,
        measured=0,
        weights={kind: PRIOR_WEIGHTS.get(kind, 1.0) for kind in kinds},
        covariance=_plain(np.linalg.inv(precision)),
    )


def fit_parameters(
    kinds: Sequence[str], traits: np.ndarray, costs: np.ndarray, kls: np.ndarray
) -> ForecastFit:
    """The fit to measured plans; the prior where there are none.

    The spread pools what stays unexplained with the prior's, as if that had been seen `PRIOR_WEIGHT` times.

    Parameters
    ----------
    kinds
        The kinds of the map's groups, in order.
    traits
        [groups, kinds + 1]: 1 in the column of a group's kind, and its depth z last.
    costs
        [plans, groups], what the map says each group costs in each plan; above 0 in sum.
    kls
        [plans], the measured KL in nats per token, above 0.
    """
    if len(kls) == 0:
        return prior(kinds)
    precision = _precision(len(kinds))
    means = np.log([1.0, 1.0, *(PRIOR_WEIGHTS.get(kind, 1.0) for kind in kinds), 1.0])
    values, spread = means.copy(), PRIOR_SPREAD
    for _ in range(ROUNDS):
        residuals, slopes = _residuals(values, traits, costs, kls)
        matrix = slopes.T @ slopes / spread**2 + precision
        pull = slopes.T @ residuals / spread**2 - precision @ (values - means)
        values = values + np.linalg.solve(matrix, pull)
        left, _ = _residuals(values, traits, costs, kls)
        spread = math.sqrt((PRIOR_WEIGHT * PRIOR_SPREAD**2 + float(left @ left)) / (PRIOR_WEIGHT + len(kls)))
    residuals, slopes = _residuals(values, traits, costs, kls)
    totals = costs @ np.exp(traits @ values[2:])
    return ForecastFit(
        kappa=PRIOR_KAPPA * math.exp(values[0]) * PIVOT ** -values[1],
        beta=float(PRIOR_BETA + values[1]),
        spread=spread,
        measured=len(kls),
        weights={kind: math.exp(value) for kind, value in zip(kinds, values[2:-1], strict=True)},
        depth=float(values[-1]),
        covariance=_plain(np.linalg.inv(slopes.T @ slopes / spread**2 + precision)),
        least=float(totals.min()),
        most=float(totals.max()),
    )


def _residuals(
    values: np.ndarray, traits: np.ndarray, costs: np.ndarray, kls: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is unexplained of log KL [plans], and the slopes of the explained part [plans, values]."""
    parts = costs * np.exp(traits @ values[2:])
    totals = parts.sum(1)
    beta, height = PRIOR_BETA + values[1], np.log(totals / PIVOT)
    explained = math.log(PRIOR_KAPPA * PIVOT) + values[0] + beta * height
    slopes = np.column_stack([np.ones_like(height), height, beta * (parts @ traits) / totals[:, None]])
    return np.log(kls) - explained, slopes


def _precision(kinds: int) -> np.ndarray:
    depth = DEPTH_SD if kinds > 1 else FIXED_SD
    return np.diag([KAPPA_SD**-2, BETA_SD**-2, *[KIND_SD**-2] * kinds, depth**-2])


def _plain(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in matrix)
