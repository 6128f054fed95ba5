"""Targets of the solver: what is wanted, how much has to be saved for it, and what is nearest."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pruning.errors import PruningError
from pruning.planning.bisection import bisection
from pruning.planning.forecast.fit import ForecastFit, prior
from pruning.planning.forecast.forecaster import Forecaster

SPARSITY, COST, FILE, MEMORY = "sparsity", "cost", "file_bytes", "memory"
QUALITY = ("kl", "perplexity")
# Targets of speed, as a multiple of the dense model's, and the milliseconds behind them.
SPEED = {"speedup": "prefill_ms", "decode_speedup": "decode_ms"}
# What zeros in full-size tensors do not save.
UNITS_ONLY = (FILE, MEMORY, *SPEED)
_NOT_BY_WEIGHTS = (
    "saved by single weights: common engines hold zeros like any other number. Give bytes, the size of a "
    "compact file, or solve for whole units",
    "reached by single weights: common engines multiply by zeros as slowly as by anything else. Solve for "
    "whole units",
)
EXAMPLES = (
    "sparsity=0.5, parameters=100000000, bytes=300000000, file_bytes=300000000, memory=300000000, kl=0.2, "
    "perplexity=30, speedup=1.2 or decode_speedup=1.2"
)


@dataclass(frozen=True)
class Target:
    """One target: the least `sparsity` (0..1) or speed, or the most of anything else that may remain or come
    about."""

    name: str
    value: float


class Infeasible(PruningError):
    """No plan meets all the targets.

    `nearest` has, for each of the `targets` that the others leave any room for, the best value that can be
    met beside them, rounded to the side that can be met; empty where no target can be met beside the others.
    """

    def __init__(self, targets: Sequence[Target], nearest: Sequence[Target]) -> None:
        self.targets, self.nearest = tuple(targets), tuple(nearest)
        super().__init__(self.sentence(lambda target: f"{target.name}={_plain(target.value)}"))

    def sentence(self, spell: Callable[[Target], str]) -> str:
        """What is wrong and what to do, with each target as `spell` writes it."""
        asked = " and ".join(map(spell, self.targets))
        if not self.nearest:
            return f"{asked} cannot be met together, nor any one of them left out. Ask for less."
        nearest = " or ".join(map(spell, self.nearest))
        also = "" if len(self.targets) == 1 else ", with the other targets as they are"
        return (
            f"{asked} cannot be met within these bounds. The nearest possible is {nearest}{also}. "
            "Ask for less, or loosen locks, floors and ceilings."
        )


def _plain(value: float) -> str:
    """A number as targets are written: whole ones with all their digits."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def parse_target(text: str) -> Target:
    """The target in text such as `sparsity=0.5` or `bytes=2e8`; PruningError where it cannot be read."""
    name, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not equals or not name.strip() or not math.isfinite(value):
        raise PruningError(f'The target "{text}" cannot be read. Write NAME=NUMBER, like {EXAMPLES}.')
    return Target(name.strip(), value)


def requirement(
    target: Target, dense: Mapping[str, float], prunable: float, forecaster: Forecaster | None
) -> tuple[str, float]:
    """What a target is about, and how much of it has to be saved.

    Parameters
    ----------
    target
        What is wanted.
    dense
        By name, the dense model's total of every quantity that can be saved here.
    prunable
        The weights that sparsity is a share of.
    forecaster
        Turns qualities into costs: needed for `perplexity`; without it a `kl` is read by the prior.

    Returns
    -------
    The name of the quantity, and the least that has to be saved. Of quality it is the `COST`, whose saving
    is the cost with its sign turned.

    Raises
    ------
    PruningError
        For a target that there is not, or whose value cannot be.
    """
    name, value = target.name, target.value
    if name == SPARSITY:
        if not 0.0 <= value <= 1.0:
            raise PruningError(f"The sparsity {value:g} is no share. Give one between 0 and 1, like 0.5.")
        return SPARSITY, value * prunable
    if SPEED.get(name, name) not in dense and name in UNITS_ONLY:
        raise PruningError(f"{name} cannot be {_NOT_BY_WEIGHTS[name in SPEED]}, such as --structure mixed.")
    if name in SPEED:
        if value <= 0:
            raise PruningError(f"The {name} {value:g} cannot be. Give how many times as fast, like 1.4.")
        return SPEED[name], dense[SPEED[name]] * (1 - 1 / value)
    if name in dense:
        return name, dense[name] - value
    if name not in QUALITY:
        names = ", ".join((SPARSITY, *(n for n in dense if n not in SPEED.values()), *QUALITY))
        raise PruningError(f'There is no target "{name}". Use one of {names}.')
    kl = value if name == "kl" else _kl_at(value, forecaster)
    if kl <= 0:
        raise PruningError(f"The {name} {value:g} leaves no room for any change. Give a higher one.")
    return COST, -_fit(forecaster).cost_of(kl)


def met_by(
    name: str, saved: float, dense: Mapping[str, float], prunable: float, forecaster: Forecaster | None
) -> Target:
    """The target that this saving just meets, rounded to the side that can be met."""
    if name == SPARSITY:
        return Target(name, math.floor(1e4 * saved / prunable + 1e-6) / 1e4)
    if name in SPEED:
        total = dense[SPEED[name]]
        return Target(name, math.floor(1e3 * total / max(total - saved, 1e-9) + 1e-6) / 1e3)
    if name in dense:
        return Target(name, math.ceil(dense[name] - saved - 1e-6))
    fit = _fit(forecaster)
    return Target("kl", math.ceil(1e4 * fit.kappa * max(-saved, 0.0) ** fit.beta) / 1e4)


def _fit(forecaster: Forecaster | None) -> ForecastFit:
    return prior() if forecaster is None else forecaster.fit


def _kl_at(perplexity: float, forecaster: Forecaster | None) -> float:
    """The KL at which the forecast perplexity is this; 0 where it is not above the dense model's."""
    if forecaster is None:
        raise PruningError("The dense model's perplexity is not known here. Give the target as kl=0.2.")
    dense = forecaster.smap.dense["perplexity"]
    if perplexity <= dense:
        raise PruningError(
            f"The perplexity {perplexity:g} is not above the dense model's, {dense:.4g}. Give a higher one."
        )
    high, rise = 1.0, math.log(perplexity / dense)
    loss = forecaster.fit.quality.loss
    while loss.at(high) < rise:
        high *= 2
    return bisection(lambda kl: loss.at(kl) >= rise, 0.0, high)[1]
