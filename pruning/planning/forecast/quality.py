"""From KL to the figures that users read: perplexity, agreement and accuracy, each with a band of its own.

Each has a relation y = f(KL; θ) with one factor, which measured plans move:

- cross-entropy rises by KL² / (KL + exp θ): a lightly pruned model is only less sure of itself, and where the
  dense one was too sure that costs nothing at first;
- −log agreement = exp θ · KL^b;
- −log (accuracy / dense accuracy) = exp θ · KL^b.

A measured plan is off its relation in proportion to y (`spread`) and, however little it changes, by what a
sample of so many tokens leaves to chance (`noise`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# As many measurements as the prior of the spread counts for.
PRIOR_WEIGHT = 4.0
ROUNDS = 20


@dataclass(frozen=True)
class Relation:
    """y = f(KL; θ): with a `power` b it is exp θ · KL^b, without one KL² / (KL + exp θ).

    `sd` is the standard deviation of θ, `spread` that of y as a share of it, `noise` that of y as it is.
    `measured` counts the plans behind it; 0: the prior.
    """

    theta: float
    sd: float
    spread: float
    noise: float
    power: float | None = None
    measured: int = 0

    def at(self, kl: float) -> float:
        """y at this KL, nats per token."""
        if kl <= 0:
            return 0.0
        factor = math.exp(self.theta)
        return kl * kl / (kl + factor) if self.power is None else factor * kl**self.power

    def band_at(self, kl: float, spread: float, width: float) -> tuple[float, float]:
        """The range of y, `width` standard deviations either way, where log KL has the deviation `spread`."""
        if kl <= 0:
            return 0.0, 0.0
        y = self.at(kl)
        relative = (self._elasticity(kl) * spread) ** 2 + self.spread**2 + (self._slope(kl) * self.sd) ** 2
        factor = math.exp(width * math.sqrt(relative))
        chance = width * self.noise
        return y - math.hypot(y - y / factor, chance), y + math.hypot(y * factor - y, chance)

    def fitted(self, kls: Sequence[float], ys: Sequence[float]) -> "Relation":
        """With this as the prior, the relation that goes through the measured y at these KLs (above 0)."""
        if not kls:
            return self
        theta, scale = self.theta, 1.0
        for _ in range(ROUNDS):
            now = replace(self, theta=theta)
            precision, pull, squares = self.sd**-2, (self.theta - theta) / self.sd**2, 0.0
            for kl, y in zip(kls, ys, strict=True):
                value = now.at(kl)
                slope, left = value * now._slope(kl), y - value
                variance = (self.spread * value) ** 2 + self.noise**2
                precision += slope**2 / (variance * scale)
                pull += slope * left / (variance * scale)
                squares += left**2 / variance
            # A step of more than a deviation would leave the stretch where f is nearly straight in θ.
            theta += max(-self.sd, min(self.sd, pull / precision))
            scale = (PRIOR_WEIGHT + squares) / (PRIOR_WEIGHT + len(kls))
        return replace(
            self, theta=theta, sd=precision**-0.5, spread=self.spread * math.sqrt(scale), measured=len(kls)
        )

    def _elasticity(self, kl: float) -> float:
        """The slope of log y over log KL."""
        return self.power if self.power is not None else 2 - kl / (kl + math.exp(self.theta))

    def _slope(self, kl: float) -> float:
        """The slope of log y over θ."""
        if self.power is not None:
            return 1.0
        factor = math.exp(self.theta)
        return -factor / (kl + factor)


@dataclass(frozen=True)
class QualityFit:
    """The relations of perplexity, agreement and accuracy to KL."""

    loss: Relation
    agreement: Relation
    accuracy: Relation


# Found on the recipes of `bench forecast` on the demo model.
PRIOR = QualityFit(
    loss=Relation(theta=math.log(0.11), sd=0.35, spread=0.1, noise=0.01),
    agreement=Relation(theta=math.log(0.78), sd=0.15, spread=0.06, noise=0.01, power=0.6),
    accuracy=Relation(theta=math.log(0.33), sd=0.3, spread=0.15, noise=0.02, power=1.1),
)


def fit_quality(dense: Mapping[str, float], measured: Sequence[Mapping[str, float]]) -> QualityFit:
    """The relations fitted to measured plans; the prior where there are none.

    Parameters
    ----------
    dense
        `perplexity` and `accuracy` (0..1) of the dense model.
    measured
        Of each plan `kl` in nats per token and what was measured of `perplexity`, `agreement` and `accuracy`.
    """
    plans = [figures for figures in measured if figures["kl"] > 0]

    def fitted(relation: Relation, name: str, before: float) -> Relation:
        # What is infinite or 0 tells nothing about a factor.
        rows = [row for row in plans if 0 < row.get(name, 0.0) < math.inf]
        sign = 1 if name == "perplexity" else -1
        ys = [sign * math.log(row[name] / before) for row in rows]
        return relation.fitted([row["kl"] for row in rows], ys)

    return QualityFit(
        fitted(PRIOR.loss, "perplexity", dense["perplexity"]),
        fitted(PRIOR.agreement, "agreement", 1.0),
        fitted(PRIOR.accuracy, "accuracy", dense["accuracy"]),
    )
