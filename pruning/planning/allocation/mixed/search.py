"""The search for the plan over units and weights: bound, levels and units in turns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pruning.planning.allocation.knapsack import Budget, Choice, cheapest_choice
from pruning.planning.allocation.mixed.choices import MixedChoices
from pruning.planning.allocation.mixed.dual import Dual
from pruning.planning.allocation.targets import COST
from pruning.planning.cost.parts import LAYERS

# Levels by the best multipliers alone may miss a budget by a step: prices are raised until they do not.
DEARER = (1.0, 1.01, 1.05, 1.2, 2.0, 8.0, 1e3)
TURNS = 2
STATES = (
    200  # partial choices kept where several budgets bind, with which a solution takes a tenth of a second
)
SETTLED = 1e-7


@dataclass(frozen=True, eq=False)
class Problem:
    """What is made least, and budgets, as arrays over options of layers and levels of groups."""

    choices: MixedChoices
    objective: str
    budgets: tuple[tuple[str, float], ...]

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What options of units [layers, options] and levels of weights [groups, levels] save."""
        choices, weights = self.choices, self.choices.weights
        if name == COST:
            return -choices.costs, -weights.costs
        if name == LAYERS:
            return -choices.saved[name], np.zeros_like(weights.costs)
        levels = choices.of_weights(name)
        return choices.saved[name], np.zeros_like(weights.costs) if levels is None else levels

    @property
    def least(self) -> tuple[np.ndarray, np.ndarray]:
        """What is made least, of units and of weights."""
        units, levels = self.of(self.objective)
        return -units, -levels


@dataclass(frozen=True, eq=False)
class Point:
    """Options [layers] and columns of levels [groups], with the total of what is made least."""

    options: np.ndarray
    columns: np.ndarray
    total: float


def near_their_mean(problem: Problem, reach: float) -> tuple[Point | None, float, float]:
    """The best with levels of weights near their mean, the bound, and how near that was."""
    found, bound = solved(problem, turns=0)
    if found is None or not found.columns.any():
        return found, bound, 1.0
    choices = problem.choices
    groups = np.arange(len(choices.row))
    if reach < 1.0:
        sizes = choices.weights.weights * choices.kept[groups, found.options[choices.row]]
        levels = choices.weights.levels[groups, found.columns]
        near = choices.weights.near(float(sizes @ levels) / max(float(sizes.sum()), 1.0), reach)
        nearer = solved(replace(problem, choices=replace(choices, weights=near)))
        if nearer[0] is not None:
            return *nearer, reach
    return *solved(problem), 1.0


def solved(problem: Problem, turns: int = TURNS) -> tuple[Point | None, float]:
    """The best point there is found to be, and what none is below."""
    found, bound = _found(problem, turns)
    choices, layers = problem.choices, np.arange(len(problem.choices.options))
    if found is None or choices.saved[LAYERS][layers, found.options].sum() <= choices.most_layers:
        return found, bound
    limit = (LAYERS, -float(choices.most_layers))
    return _found(replace(problem, budgets=(*problem.budgets, limit)), turns)


def _found(problem: Problem, turns: int) -> tuple[Point | None, float]:
    """The same, whatever the number of layers that go."""
    if not _within_reach(problem):
        return None, np.inf
    if problem.objective == COST and not any(problem.of(name)[1].any() for name, _ in problem.budgets):
        # Weights have no part in it: units alone, exactly.
        columns = np.where(problem.choices.weights.allowed, problem.choices.weights.costs, np.inf).argmin(
            axis=1
        )
        choice = _options(problem, columns)
        return (None, np.inf) if choice is None else (_point(problem, choice.columns, columns), choice.bound)
    dual, unit = _dual(problem)
    multipliers, bound = dual.multipliers()
    for factor in DEARER:
        options = _priced_options(problem, dual, factor * multipliers)
        columns = None if options is None else _levels(problem, options)
        if options is not None and columns is not None:
            return _in_turns(problem, options, columns, turns), bound * unit
    return None, np.inf


def _priced_options(problem: Problem, dual: Dual, multipliers: np.ndarray) -> np.ndarray | None:
    """The best options of units [layers] with what weights can save at its price, their levels following it;
    budgets that weights do not change are held to. None where these cannot be met."""
    shared = np.array([bool(levels.any()) for levels in dual.level_saved])
    budgets = [
        Budget(name, problem.of(name)[0], needed)
        for (name, needed), both in zip(problem.budgets, shared, strict=True)
        if not both
    ]
    worth = dual.worth(np.where(shared, multipliers, 0.0))
    choice = cheapest_choice(worth, budgets, problem.choices.allowed, states=STATES)
    return None if choice is None else choice.columns


def _in_turns(problem: Problem, options: np.ndarray, columns: np.ndarray, turns: int = TURNS) -> Point:
    """From options and levels that meet the budgets: levels with the units held, and the other way round."""
    best = _point(problem, options, columns)
    for _ in range(turns):
        before = best.total
        units = _options(problem, best.columns)
        if units is not None:
            best = min(best, _point(problem, units.columns, best.columns), key=lambda point: point.total)
        levels = _levels(problem, best.options)
        if levels is not None:
            best = min(best, _point(problem, best.options, levels), key=lambda point: point.total)
        if best.total >= before - SETTLED * abs(before):
            break
    return best


def _point(problem: Problem, options: np.ndarray, columns: np.ndarray) -> Point:
    point = Point(options, columns, 0.0)
    return replace(point, total=total(problem, point))


def total(problem: Problem, point: Point) -> float:
    """The total of what is made least."""
    units, levels = problem.least
    choices, groups = problem.choices, np.arange(len(point.columns))
    kept = choices.kept[groups, point.options[choices.row]]
    of_units = units[np.arange(len(units)), point.options].sum()
    return float(of_units + kept @ levels[groups, point.columns])


def _options(problem: Problem, columns: np.ndarray) -> Choice | None:
    """The best options of units [layers] beside these levels of weights; None where none is enough."""
    choices, groups = problem.choices, np.arange(len(columns))

    def whole(units: np.ndarray, levels: np.ndarray) -> np.ndarray:
        beside = choices.members @ (choices.kept * levels[groups, columns][:, None])
        return np.asarray(units + beside)

    budgets = [Budget(name, whole(*problem.of(name)), needed) for name, needed in problem.budgets]
    return cheapest_choice(whole(*problem.least), budgets, choices.allowed, states=STATES)


def _levels(problem: Problem, options: np.ndarray) -> np.ndarray | None:
    """The best levels of weights [groups] beside these units; None where none meets the budgets."""
    choices = problem.choices
    rows = np.arange(len(options))
    kept = choices.kept[np.arange(len(choices.row)), options[choices.row]][:, None]
    budgets = [
        Budget(name, kept * levels, needed - float(units[rows, options].sum()))
        for name, needed in problem.budgets
        for units, levels in (problem.of(name),)
        if levels.any() and name != LAYERS
    ]
    least = kept * problem.least[1]
    choice = cheapest_choice(least, budgets, choices.weights.allowed, states=STATES)
    return None if choice is None else choice.columns


def _within_reach(problem: Problem) -> bool:
    """Whether each budget by itself can be met."""
    choices = problem.choices
    for name, needed in problem.budgets:
        units, levels = problem.of(name)
        most = np.where(choices.weights.allowed, levels, -np.inf).max(axis=1)
        beside = choices.members @ (choices.kept * most[:, None])
        if np.where(choices.allowed, units + beside, -np.inf).max(axis=1).sum() < needed - 1e-6 * abs(needed):
            return False
    return True


def _dual(problem: Problem) -> tuple[Dual, float]:
    """The relaxation, in units in which all ranges are about 1, and the unit of what is made least."""
    choices = problem.choices

    def spans(name: str) -> float:
        units, levels = problem.of(name)
        ranges = np.where(choices.allowed, units, 0.0)
        return float(np.ptp(ranges, axis=1).sum() + np.ptp(levels, axis=1).sum()) or 1.0

    unit, scales = spans(problem.objective), [spans(name) for name, _ in problem.budgets]
    units, levels = problem.least
    given = [problem.of(name) for name, _ in problem.budgets]
    return Dual(
        costs=np.where(choices.allowed, units / unit, np.inf),
        saved=_stacked([own / scale for (own, _), scale in zip(given, scales, strict=True)], units),
        level_costs=np.where(choices.weights.allowed, levels / unit, np.inf),
        level_saved=_stacked([own / scale for (_, own), scale in zip(given, scales, strict=True)], levels),
        kept=choices.kept,
        members=choices.members,
        needed=np.array([needed / scale for (_, needed), scale in zip(problem.budgets, scales, strict=True)]),
    ), unit


def _stacked(parts: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    """[parts, …], also where there are none."""
    return np.stack(parts) if parts else np.zeros((0, *like.shape))
