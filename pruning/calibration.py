"""What measured plans teach about a map: factors, one for all and one a kind, and how far to trust them.

Numpy only. log KL = log κ + β · log Σ_k w_k · c_k, where c_k is what a plan's groups of kind k cost by the
map: a regression with normal priors (MacKay 1992), solved by Gauss-Newton.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

# The prior, found on the demo model before any calibration; how well it does is in the README.
PRIOR_KAPPA = 1.25
PRIOR_BETA = 1.0
PRIOR_SPREAD = 0.12  # of what no factor explains, as a standard deviation of log KL
PRIOR_WEIGHT = 6.0  # as many measurements as the prior of the spread counts for
KAPPA_SD, BETA_SD, KIND_SD = 0.25, 0.08, 0.3
# The costs at which β does not matter: where most plans lie that anybody wants.
PIVOT = 0.3
ROUNDS = 20


@dataclass(frozen=True)
class Calibration:
    """KL = κ · (Σ w · cost)^β with a weight w for each kind of group, and how uncertain that is.

    `spread`: the standard deviation of log(measured / forecast) that would stay if the factors were known;
    `covariance` of (log KL at a cost of `PIVOT`, β, log w of each of `weights` in order). `measured` counts
    the measurements behind it (0: the prior), whose Σ w · cost went from `least` to `most`.
    """

    kappa: float
    beta: float
    spread: float
    measured: int
    weights: Mapping[str, float] = field(default_factory=dict)
    covariance: tuple[tuple[float, ...], ...] = ()
    least: float = math.inf
    most: float = 0.0


def prior(kinds: Sequence[str] = ()) -> Calibration:
    """What holds before anything is measured, for a map with these kinds of group."""
    precision = _precision(len(kinds))
    return Calibration(
        kappa=PRIOR_KAPPA,
        beta=PRIOR_BETA,
        spread=PRIOR_SPREAD,
        measured=0,
        weights=dict.fromkeys(kinds, 1.0),
        covariance=_plain(np.linalg.inv(precision)),
    )


def learn(kinds: Sequence[str], costs: np.ndarray, kls: np.ndarray) -> Calibration:
    """The calibration that measured plans give: `costs` [plans, kinds] above 0 in sum, `kls` [plans] above 0.

    The spread pools what stays unexplained with the prior's, as if that had been seen `PRIOR_WEIGHT` times.
    """
    if len(kls) == 0:
        return prior(kinds)
    precision = _precision(len(kinds))
    values, spread = np.zeros(2 + len(kinds)), PRIOR_SPREAD
    for _ in range(ROUNDS):
        residuals, slopes = _residuals(values, costs, kls)
        matrix = slopes.T @ slopes / spread**2 + precision
        pull = slopes.T @ residuals / spread**2 - precision @ values
        values = values + np.linalg.solve(matrix, pull)
        left, _ = _residuals(values, costs, kls)
        spread = math.sqrt((PRIOR_WEIGHT * PRIOR_SPREAD**2 + float(left @ left)) / (PRIOR_WEIGHT + len(kls)))
    residuals, slopes = _residuals(values, costs, kls)
    weights = np.exp(values[2:])
    totals = costs @ weights
    return Calibration(
        kappa=PRIOR_KAPPA * math.exp(values[0]) * PIVOT ** -values[1],
        beta=float(PRIOR_BETA + values[1]),
        spread=spread,
        measured=len(kls),
        weights={kind: float(weight) for kind, weight in zip(kinds, weights, strict=True)},
        covariance=_plain(np.linalg.inv(slopes.T @ slopes / spread**2 + precision)),
        least=float(totals.min()),
        most=float(totals.max()),
    )


def _residuals(values: np.ndarray, costs: np.ndarray, kls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is unexplained of log KL [plans], and the slopes of the explained part [plans, values]."""
    parts = costs * np.exp(values[2:])
    totals = parts.sum(1)
    beta, height = PRIOR_BETA + values[1], np.log(totals / PIVOT)
    explained = math.log(PRIOR_KAPPA * PIVOT) + values[0] + beta * height
    slopes = np.column_stack([np.ones_like(height), height, beta * parts / totals[:, None]])
    return np.log(kls) - explained, slopes


def _precision(kinds: int) -> np.ndarray:
    return np.diag([KAPPA_SD**-2, BETA_SD**-2, *[KIND_SD**-2] * kinds])


def _plain(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in matrix)
