"""From KL to the figures that users read: perplexity, agreement and accuracy, each with a band of its own.

Each is a power law y = exp θ · KL^b whose factor measured plans move: y is the rise of the cross-entropy,
−log of the agreement, and −log of the accuracy over the dense model's. A lightly pruned model is at first
only less sure of itself, and where the dense one was too sure that costs nothing: so b is above 1 for the
cross-entropy, and the rise below the KL.

A measured plan is off its law in proportion to y (`spread`), and by what a sample of some thousand tokens
leaves to chance: in proportion to the root of the KL (`noise`), since the variance of a token's log ratio of
probabilities is about twice the KL where that is small.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# As many measurements as the prior of the spread counts for.
PRIOR_WEIGHT = 4.0
ROUNDS = 20


@dataclass(frozen=True)
class Relation:
    """y = exp θ · KL^`power`.

    `sd` is the standard deviation of θ, `spread` that of y as a share of it, `noise` that of y at a KL of 1.
    `measured` counts the plans behind it; 0: the prior.
    """

    theta: float
    power: float
    sd: float
    spread: float
    noise: float
    measured: int = 0

    def at(self, kl: float) -> float:
        """y at this KL, nats per token."""
        return math.exp(self.theta) * kl**self.power if kl > 0 else 0.0

    def band_at(self, kl: float, spread: float, width: float) -> tuple[float, float]:
        """The range of y, `width` standard deviations either way, where log KL has the deviation `spread`."""
        if kl <= 0:
            return 0.0, 0.0
        y = self.at(kl)
        relative = (self.power * spread) ** 2 + self.spread**2 + self.sd**2
        factor = math.exp(width * math.sqrt(relative))
        chance = width * self.noise * math.sqrt(kl)
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
                variance = (self.spread * value) ** 2 + self.noise**2 * kl
                precision += value**2 / (variance * scale)
                pull += value * (y - value) / (variance * scale)
                squares += (y - value) ** 2 / variance
            # A step of more than a deviation would leave the stretch where y is nearly straight in θ.
            theta += max(-self.sd, min(self.sd, pull / precision))
            scale = (PRIOR_WEIGHT + squares) / (PRIOR_WEIGHT + len(kls))
        return replace(
            self, theta=theta, sd=precision**-0.5, spread=self.spread * math.sqrt(scale), measured=len(kls)
        )


@dataclass(frozen=True)
class QualityFit:
    """The relations of perplexity, agreement and accuracy to KL."""

    loss: Relation
    agreement: Relation
    accuracy: Relation


# From 21 measured plans of the demo model, KL 0.01 to 3.2. Another text moves the factors: `sd`.
PRIOR = QualityFit(
    loss=Relation(theta=math.log(0.87), power=1.1, sd=0.25, spread=0.07, noise=0.02),
    agreement=Relation(theta=math.log(0.72), power=0.55, sd=0.12, spread=0.08, noise=0.025),
    accuracy=Relation(theta=math.log(0.35), power=1.0, sd=0.25, spread=0.14, noise=0.025),
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
