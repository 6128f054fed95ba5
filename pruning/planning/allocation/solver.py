"""The plan of least forecast damage that meets every target, or of most saving within a quality. Numpy only.

Exact to the levels of the menu. Where a group goes very much further than the others costs stop adding up,
so levels stay within `REACH` of the whole's sparsity as long as the targets can be met like that.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.allocation.knapsack import Budget, Choice, cheapest_choice, within_reach
from pruning.planning.forecast.fit import ForecastFit, prior
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import loss_at
from pruning.planning.recipe.plan import Plan

# On the demo model 0.3 lets nearly every plan be as it would be without; 0.1 measured 3 to 7 % worse.
REACH = 0.3
WIDER = (0.5,)
ROUNDS = 4
SETTLED = 0.02
QUALITY = ("kl", "perplexity")
MEMORY = "memory"
# Targets of speed, as a multiple of the dense model's, and the milliseconds in the menu that they are about.
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
    """A plan with its forecast Σ `cost`: the menu's own, also where something else was made least.

    No other plan on the menu's levels within `reach` has what was made least (see `solve`) below `bound`.
    `gap` = how far the plan may be from the best there is, as a share; 0 where it is proved the best.
    `columns` [groups] of the menu. `reach`: how far levels may lie from the whole's. Time in milliseconds.
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
    menu: ChoiceTable,
    targets: Sequence[Target],
    forecaster: Forecaster | None = None,
    reach: float = REACH,
) -> Solution:
    """The best plan on the menu that meets all targets.

    Least Σ cost; with a quality among the targets (`kl`, or `perplexity`, for which a forecaster is
    given) instead the most weights gone. Where the menu has an `aim` least Σ of that, and qualities are but
    limits. Raises Infeasible, with the nearest that is possible, where the targets cannot be met.
    """
    start = time.perf_counter()
    if not targets:
        raise PruningError(f"Say what is wanted: a target such as {EXAMPLES}.")
    budgets = [_budget(menu, target, forecaster) for target in targets]
    objective = _objective(menu, targets)
    wanted = max((target.value for target in targets if target.name == "sparsity"), default=None)
    choice, used = _near_the_whole(menu, objective, budgets, wanted, reach)
    if choice is None:
        raise Infeasible(targets, _nearest(menu, targets, budgets, _fit(forecaster)))
    rows = np.arange(len(choice.columns))
    return Solution(
        plan=menu.plan(choice.columns),
        columns=choice.columns,
        cost=float(menu.costs[rows, choice.columns].sum()),
        sparsity=menu.total("parameters", choice.columns) / menu.prunable,
        bound=choice.bound,
        gap=choice.gap,
        reach=used,
        milliseconds=1000 * (time.perf_counter() - start),
    )


def _objective(menu: ChoiceTable, targets: Sequence[Target]) -> np.ndarray:
    """What is made least [groups, columns]."""
    floors = [target.name in QUALITY for target in targets]
    if menu.aim is not None:
        if all(floors):
            raise PruningError(
                "Values of capabilities weigh plans of one size against each other. With them, say how much "
                "has to go as well: a sparsity, a size or a number of parameters."
            )
        return menu.aim
    return -menu.saved["parameters"] / menu.prunable if any(floors) else menu.costs


def front(menu: ChoiceTable, points: int = 40, forecaster: Forecaster | None = None) -> list[Solution]:
    """The plans of least cost over the whole range of sparsity, evenly spaced, from little to the most."""
    least = float(np.where(menu.allowed, menu.saved["parameters"], np.inf).min(axis=1).sum()) / menu.prunable
    most = within_reach(Budget("", menu.saved["parameters"], 0.0), menu.allowed) / menu.prunable
    wanted = least + (most - least) * np.arange(1, points + 1) / points
    return [solve(menu, [Target("sparsity", float(share))], forecaster) for share in wanted - 1e-12]


def _near_the_whole(
    menu: ChoiceTable, objective: np.ndarray, budgets: Sequence[Budget], wanted: float | None, reach: float
) -> tuple[Choice | None, float]:
    """The best choice with levels near the whole's sparsity, as near as can be, and how near that was.

    Where no target names the sparsity, or others ask for more, it is what the choice before came to.
    """
    free = cheapest_choice(objective, budgets, menu.allowed, rough=reach < 1)
    if free is None or reach >= 1:
        return free, 1.0
    for width in (reach, *(wider for wider in WIDER if wider > reach)):
        about = menu.total("parameters", free.columns) / menu.prunable if wanted is None else wanted
        for _ in range(ROUNDS):
            rough = cheapest_choice(objective, budgets, menu.near(about, width).allowed, rough=True)
            if rough is None:
                break
            reached = menu.total("parameters", rough.columns) / menu.prunable
            if abs(reached - about) < SETTLED:
                break
            about = reached
        found = cheapest_choice(objective, budgets, menu.near(about, width).allowed) if rough else None
        if found is not None:
            return found, width
    return cheapest_choice(objective, budgets, menu.allowed), 1.0


def _fit(forecaster: Forecaster | None) -> ForecastFit:
    return prior() if forecaster is None else forecaster.fit


def _budget(menu: ChoiceTable, target: Target, forecaster: Forecaster | None) -> Budget:
    name, value = target.name, target.value
    if name == "sparsity":
        if not 0.0 <= value <= 1.0:
            raise PruningError(f"The sparsity {value:g} is no share. Give one between 0 and 1, like 0.5.")
        return Budget(name, menu.saved["parameters"], value * menu.prunable)
    if name in menu.saved:
        return Budget(name, menu.saved[name], menu.dense[name] - value)
    if name in SPEED:
        return _speed_budget(menu, name, value)
    if name == MEMORY:
        raise PruningError(
            "Memory cannot be saved by single weights: common engines hold zeros like any other number. Give "
            "bytes, the size on disk, or solve for whole units, such as --structure neurons."
        )
    if name not in QUALITY:
        known = ", ".join(("sparsity", *menu.saved, *QUALITY))
        raise PruningError(f'There is no target "{name}". Use one of {known}.')
    kl = value if name == "kl" else _kl_at(value, forecaster)
    if kl <= 0:
        raise PruningError(f"The {name} {value:g} leaves no room for any change. Give a higher one.")
    return Budget(name, -menu.costs, -_fit(forecaster).cost_of(kl))


def _speed_budget(menu: ChoiceTable, name: str, times: float) -> Budget:
    milliseconds = SPEED[name]
    if milliseconds not in menu.saved:
        raise PruningError(
            f"{name} cannot be reached by single weights: common engines multiply by zeros as slowly as by "
            "anything else. Solve for whole units, such as --structure neurons."
        )
    if times <= 0:
        raise PruningError(f"The {name} {times:g} cannot be. Give how many times as fast, like 1.4.")
    dense = menu.dense[milliseconds]
    return Budget(name, menu.saved[milliseconds], dense - dense / times)


def _kl_at(perplexity: float, forecaster: Forecaster | None) -> float:
    """The KL at which the forecast perplexity is this; 0 where it is not above the dense model's."""
    if forecaster is None:
        raise PruningError("The dense model's perplexity is not known here. Give the target as kl=0.2.")
    dense = forecaster.smap.dense["perplexity"]
    if perplexity <= dense:
        raise PruningError(
            f"The perplexity {perplexity:g} is not above the dense model's, {dense:.4g}. Give a higher one."
        )
    low, high = 0.0, 1.0
    rise = math.log(perplexity / dense)
    while loss_at(high) < rise:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if loss_at(middle) >= rise else (middle, high)
    return high


def _nearest(
    menu: ChoiceTable, targets: Sequence[Target], budgets: Sequence[Budget], fit: ForecastFit
) -> list[Target]:
    """For each target the best value that the others and the bounds leave room for."""
    nearest = []
    for index, target in enumerate(targets):
        others = [budget for place, budget in enumerate(budgets) if place != index]
        best = cheapest_choice(-budgets[index].saved, others, menu.allowed)
        if best is not None:
            nearest.append(_met_by(menu, target.name, -best.cost, fit))
    return nearest


def _met_by(menu: ChoiceTable, name: str, saved: float, fit: ForecastFit) -> Target:
    """The target that this saving just meets, rounded to the side that can be met."""
    if name == "sparsity":
        return Target(name, math.floor(1e4 * saved / menu.prunable + 1e-6) / 1e4)
    if name in menu.saved:
        return Target(name, math.ceil(menu.dense[name] - saved - 1e-6))
    if name in SPEED:
        dense = menu.dense[SPEED[name]]
        return Target(name, math.floor(1e3 * dense / max(dense - saved, 1e-9) + 1e-6) / 1e3)
    return Target("kl", math.ceil(1e4 * fit.kappa * max(-saved, 0.0) ** fit.beta) / 1e4)
