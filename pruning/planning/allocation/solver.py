"""Sparsity allocation: the plan of least forecast KL that meets every target, or of most saving within a KL.

Exact to the levels of the choice table. The least sum of single costs need not be the best model (EvoPress,
arXiv 2410.14649): where a group is pruned very much further than the others costs stop adding up. So levels
stay within `REACH` of the whole's sparsity as long as the targets can be met like that.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.knapsack import Budget, Choice, cheapest_choice, within_reach
from pruning.planning.bisection import bisection
from pruning.planning.forecast.fit import ForecastFit, prior
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan

# On the demo model 0.3 lets nearly every plan be as it would be without; 0.1 measured 3 to 7 % worse.
REACH = 0.3
WIDER = (0.5,)
ROUNDS = 4
SETTLED = 0.02
QUALITY = ("kl", "perplexity")
MEMORY = "memory"
# Targets of speed, as a multiple of the dense model's, and the milliseconds of the choice table behind them.
SPEED = {"speedup": "prefill_ms", "decode_speedup": "decode_ms"}
EXAMPLES = (
    "sparsity=0.5, parameters=100000000, bytes=300000000, memory=300000000, kl=0.2, perplexity=30 "
    "or speedup=1.2"
)


@dataclass(frozen=True)
class Target:
    """One target: the least `sparsity` (0..1), or the most of anything else that may remain or come about."""

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


@dataclass(frozen=True, eq=False)
class Solution:
    """A plan with its forecast Σ `cost`: that of the choice table, also where something else was made least.

    No other plan of the table's levels within `reach` has what was made least (see `solve`) below `bound`.
    `gap` = how far the plan may be from the best there is, as a share; 0 where it is proved the best.
    `columns` [groups] of the table. `reach`: how far levels may lie from the whole's. Time in milliseconds.
    """

    plan: Plan
    columns: np.ndarray
    cost: float
    sparsity: float
    bound: float
    gap: float
    reach: float
    milliseconds: float


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


def solve(
    choices: ChoiceTable,
    targets: Sequence[Target],
    forecaster: Forecaster | None = None,
    reach: float = REACH,
) -> Solution:
    """The best plan of the choice table that meets all targets.

    Parameters
    ----------
    choices
        The levels of each group, what each costs and saves.
    targets
        What must hold. Without a quality among them (`kl`, `perplexity`) the plan has the least Σ cost; with
        one it prunes the most weights; where the table has an `aim` it has the least Σ of that, and qualities
        are limits.
    forecaster
        What turns qualities into costs: needed for `perplexity`; without it a `kl` is read by the prior.
    reach
        How far levels may lie from the whole's sparsity, while the targets can be met like that.

    Raises
    ------
    Infeasible
        With the nearest that is possible, where the targets cannot be met together.
    PruningError
        For a target that there is not, or whose value cannot be.
    """
    start = time.perf_counter()
    if not targets:
        raise PruningError(f"Say what is wanted: a target such as {EXAMPLES}.")
    budgets = [_budget(choices, target, forecaster) for target in targets]
    objective = _objective(choices, targets)
    sparsity = max((target.value for target in targets if target.name == "sparsity"), default=None)
    choice, within = _near_the_whole(choices, objective, budgets, sparsity, reach)
    if choice is None:
        raise Infeasible(targets, _nearest(choices, targets, budgets, _fit(forecaster)))
    rows = np.arange(len(choice.columns))
    return Solution(
        plan=choices.plan(choice.columns),
        columns=choice.columns,
        cost=float(choices.costs[rows, choice.columns].sum()),
        sparsity=choices.total("parameters", choice.columns) / choices.prunable,
        bound=choice.bound,
        gap=choice.gap,
        reach=within,
        milliseconds=1000 * (time.perf_counter() - start),
    )


def _objective(choices: ChoiceTable, targets: Sequence[Target]) -> np.ndarray:
    """What is made least [groups, columns]."""
    qualities = [target.name in QUALITY for target in targets]
    if choices.aim is not None:
        if all(qualities):
            raise PruningError(
                "Values of capabilities weigh plans of one size against each other. With them, say how much "
                "has to go as well: a sparsity, a size or a number of parameters."
            )
        return choices.aim
    return -choices.saved["parameters"] / choices.prunable if any(qualities) else choices.costs


def front(choices: ChoiceTable, points: int = 40, forecaster: Forecaster | None = None) -> list[Solution]:
    """The plans of least cost over the whole range of sparsity, evenly spaced, from little to the most."""
    saved = choices.saved["parameters"]
    least = float(np.where(choices.allowed, saved, np.inf).min(axis=1).sum()) / choices.prunable
    most = within_reach(Budget("", saved, 0.0), choices.allowed) / choices.prunable
    shares = least + (most - least) * np.arange(1, points + 1) / points
    return [solve(choices, [Target("sparsity", float(share))], forecaster) for share in shares - 1e-12]


def _near_the_whole(
    choices: ChoiceTable,
    objective: np.ndarray,
    budgets: Sequence[Budget],
    sparsity: float | None,
    reach: float,
) -> tuple[Choice | None, float]:
    """The best choice with levels near the whole's sparsity, as near as can be, and how near that was.

    Where no target names the sparsity, or others ask for more, it is what the choice before came to.
    """
    free = cheapest_choice(objective, budgets, choices.allowed, rough=reach < 1)
    if free is None or reach >= 1:
        return free, 1.0
    for width in (reach, *(wider for wider in WIDER if wider > reach)):
        about = choices.total("parameters", free.columns) / choices.prunable if sparsity is None else sparsity
        for _ in range(ROUNDS):
            rough = cheapest_choice(objective, budgets, choices.near(about, width).allowed, rough=True)
            if rough is None:
                break
            reached = choices.total("parameters", rough.columns) / choices.prunable
            if abs(reached - about) < SETTLED:
                break
            about = reached
        choice = cheapest_choice(objective, budgets, choices.near(about, width).allowed) if rough else None
        if choice is not None:
            return choice, width
    return cheapest_choice(objective, budgets, choices.allowed), 1.0


def _fit(forecaster: Forecaster | None) -> ForecastFit:
    return prior() if forecaster is None else forecaster.fit


def _budget(choices: ChoiceTable, target: Target, forecaster: Forecaster | None) -> Budget:
    name, value = target.name, target.value
    if name == "sparsity":
        if not 0.0 <= value <= 1.0:
            raise PruningError(f"The sparsity {value:g} is no share. Give one between 0 and 1, like 0.5.")
        return Budget(name, choices.saved["parameters"], value * choices.prunable)
    if name in choices.saved:
        return Budget(name, choices.saved[name], choices.dense[name] - value)
    if name in SPEED:
        return _speed_budget(choices, name, value)
    if name == MEMORY:
        raise PruningError(
            "Memory cannot be saved by single weights: common engines hold zeros like any other number. Give "
            "bytes, the size on disk, or solve for whole units, such as --structure neurons."
        )
    if name not in QUALITY:
        names = ", ".join(("sparsity", *choices.saved, *QUALITY))
        raise PruningError(f'There is no target "{name}". Use one of {names}.')
    kl = value if name == "kl" else _kl_at(value, forecaster)
    if kl <= 0:
        raise PruningError(f"The {name} {value:g} leaves no room for any change. Give a higher one.")
    return Budget(name, -choices.costs, -_fit(forecaster).cost_of(kl))


def _speed_budget(choices: ChoiceTable, name: str, times: float) -> Budget:
    milliseconds = SPEED[name]
    if milliseconds not in choices.saved:
        raise PruningError(
            f"{name} cannot be reached by single weights: common engines multiply by zeros as slowly as by "
            "anything else. Solve for whole units, such as --structure neurons."
        )
    if times <= 0:
        raise PruningError(f"The {name} {times:g} cannot be. Give how many times as fast, like 1.4.")
    dense = choices.dense[milliseconds]
    return Budget(name, choices.saved[milliseconds], dense - dense / times)


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


def _nearest(
    choices: ChoiceTable, targets: Sequence[Target], budgets: Sequence[Budget], fit: ForecastFit
) -> list[Target]:
    """For each target the best value that the others and the bounds leave room for."""
    nearest = []
    for index, target in enumerate(targets):
        others = [budget for place, budget in enumerate(budgets) if place != index]
        best = cheapest_choice(-budgets[index].saved, others, choices.allowed)
        if best is not None:
            nearest.append(_met_by(choices, target.name, -best.cost, fit))
    return nearest


def _met_by(choices: ChoiceTable, name: str, saved: float, fit: ForecastFit) -> Target:
    """The target that this saving just meets, rounded to the side that can be met."""
    if name == "sparsity":
        return Target(name, math.floor(1e4 * saved / choices.prunable + 1e-6) / 1e4)
    if name in choices.saved:
        return Target(name, math.ceil(choices.dense[name] - saved - 1e-6))
    if name in SPEED:
        dense = choices.dense[SPEED[name]]
        return Target(name, math.floor(1e3 * dense / max(dense - saved, 1e-9) + 1e-6) / 1e3)
    return Target("kl", math.ceil(1e4 * fit.kappa * max(-saved, 0.0) ** fit.beta) / 1e4)
