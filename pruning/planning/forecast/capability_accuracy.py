"""Capability accuracy: the share of questions answered right after pruning, forecast from the KL."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pruning.planning.forecast.predict import BAND, Forecast
from pruning.resources import asset

# What is kept of a capability at a KL is exp(-a · KL^b): before anything is measured these two, as if that
# had been measured in a plan at each of these KLs.
PRIOR_A, PRIOR_B = 0.35, 1.0
PRIOR_AT = (0.1, 0.3, 0.7, 1.5)
# What the questions' own scatter does not explain, as a standard deviation of the share: before measurements.
PRIOR_SPREAD = 0.03
# Where a and b are looked for: factors of the prior, which is one of them.
A_GRID = PRIOR_A * np.exp(np.linspace(-2.4, 2.4, 97))
B_GRID = PRIOR_B * np.exp(np.linspace(-0.8, 0.8, 65))


@dataclass(frozen=True)
class Asked:
    """The questions of one capability: how many, and the share that guessing gets right, 0..1."""

    questions: int
    chance: float


@dataclass(frozen=True)
class AccuracyCurve:
    """How one capability falls: share right = chance + (dense − chance) · exp(−a · KL^b), all shares 0..1.

    `spread` is the standard deviation of what neither this nor the number of questions explains; `measured`
    counts the plans behind it (0: the prior).
    """

    dense: float
    asked: Asked
    a: float
    b: float
    spread: float
    measured: int

    def at(self, kl: float) -> float:
        """The share right at this KL (nats per token)."""
        return self.asked.chance + (self.dense - self.asked.chance) * (1 - self.changed(kl))

    def changed(self, kl: float) -> float:
        """The share of questions, 0..1, whose answer is as good as guessed at this KL."""
        return 1 - math.exp(-self.a * kl**self.b) if kl > 0 else 0.0


@dataclass(frozen=True)
class Share:
    """A forecast share of questions answered right, 0..1, with the band that holds it eight times in ten."""

    value: float
    low: float
    high: float


@cache
def asked() -> dict[str, Asked]:
    """The questions that the models are asked, by capability."""
    lines = asset("probes.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    names = sorted({row["capability"] for row in rows})
    chances = {name: [1 / len(row["choices"]) for row in rows if row["capability"] == name] for name in names}
    return {name: Asked(len(each), sum(each) / len(each)) for name, each in chances.items()}


def fit_curve(dense: float, questions: Asked, measured: Sequence[tuple[float, float]]) -> AccuracyCurve:
    """Fit a and b to measured (KL, share right) pairs and the prior's, by least squares."""
    kls = np.array([*PRIOR_AT, *(kl for kl, _ in measured)])
    prior = AccuracyCurve(dense, questions, PRIOR_A, PRIOR_B, PRIOR_SPREAD, 0)
    shares = np.array([*(prior.at(kl) for kl in PRIOR_AT), *(share for _, share in measured)])
    kept = np.exp(-A_GRID[:, None, None] * kls ** B_GRID[:, None])
    forecasts = questions.chance + (dense - questions.chance) * kept
    a, b = np.unravel_index(((forecasts - shares) ** 2).sum(2).argmin(), forecasts.shape[:2])
    curve = AccuracyCurve(dense, questions, float(A_GRID[a]), float(B_GRID[b]), PRIOR_SPREAD, len(measured))
    more = sum((share - curve.at(kl)) ** 2 - scatter(curve, kl) ** 2 for kl, share in measured)
    variance = (len(PRIOR_AT) * PRIOR_SPREAD**2 + more) / (len(PRIOR_AT) + len(measured))
    return AccuracyCurve(dense, questions, curve.a, curve.b, math.sqrt(max(0.0, variance)), len(measured))


def scatter(curve: AccuracyCurve, kl: float) -> float:
    """The standard deviation of the share right that comes from so few questions, at this KL.

    The dense model answered the very same ones: each answer that is not changed is no longer a matter of
    luck, so that this is 0 where nothing changes, and the binomial error of guessing where all does.
    """
    changed, chance = curve.changed(kl), curve.asked.chance
    lost, won = changed * (1 - chance), changed * chance
    variance = curve.dense * lost * (1 - lost) + (1 - curve.dense) * won * (1 - won)
    return math.sqrt(variance / curve.asked.questions)


def share_right(curve: AccuracyCurve, forecast: Forecast) -> Share:
    """The forecast of one capability for a plan.

    Its band is the sum in squares of the KL's band, of what the fit leaves unexplained, and of the scatter.
    """
    value = curve.at(forecast.kl)
    if forecast.kl <= 0:
        return Share(value, value, value)
    unsure = BAND * math.hypot(curve.spread, scatter(curve, forecast.kl))
    worse, better = sorted((curve.at(forecast.kl_high), curve.at(forecast.kl_low)))
    low, high = value - math.hypot(value - worse, unsure), value + math.hypot(better - value, unsure)
    return Share(value, max(0.0, low), min(1.0, high))


def overall(curves: Mapping[str, AccuracyCurve], forecast: Forecast) -> Share:
    """The forecast share of all questions answered right for a plan; each question counts once.

    What the fits leave unexplained is taken to be common to all capabilities, as the KL's own band is; the
    scatter is not, and averages out.
    """
    counts = np.array([curve.asked.questions for curve in curves.values()])
    each = list(curves.values())

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=counts))

    value = mean([curve.at(forecast.kl) for curve in each])
    if forecast.kl <= 0:
        return Share(value, value, value)
    luck = math.hypot(
        *(count * scatter(curve, forecast.kl) for count, curve in zip(counts, each, strict=True))
    )
    unsure = BAND * math.hypot(mean([curve.spread for curve in each]), luck / float(counts.sum()))
    worse, better = sorted(
        mean([curve.at(kl) for curve in each]) for kl in (forecast.kl_high, forecast.kl_low)
    )
    low, high = value - math.hypot(value - worse, unsure), value + math.hypot(better - value, unsure)
    return Share(value, max(0.0, low), min(1.0, high))


def accuracy_curves(
    dense: Mapping[str, float],
    measured: Sequence[tuple[float, Mapping[str, float]]],
    questions: Mapping[str, Asked] | None = None,
) -> dict[str, AccuracyCurve]:
    """How each capability of the dense model falls: `dense` is its share right by capability, `measured` are
    plans' KL and the same of them. A capability of which nobody knows the questions is left out."""
    by_name = asked() if questions is None else questions
    return {
        name: fit_curve(
            share, by_name[name], [(kl, shares[name]) for kl, shares in measured if name in shares]
        )
        for name, share in sorted(dense.items())
        if name in by_name
    }
