"""A plan made better: the same saving, with less forecast damage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds
from pruning.planning.allocation.mixed.choices import MOST_LAYERS, mixed_choices
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.mixed.solver import solve_mixed
from pruning.planning.allocation.targets import FILE, Infeasible, Target
from pruning.planning.cost.parts import LAYERS
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import Forecast
from pruning.planning.recipe.plan import Group, Plan

Kept = Literal["size", "decode", "prefill"]
# Sizes are whole bytes, and plans are written to six decimals.
SLACK = 1e-6
WORTH = 0.001  # less than this share of the KL is no improvement


@dataclass(frozen=True)
class Improvement:
    """A plan, and the forecasts of the one before and of it; the same plan where nothing better was found."""

    plan: Plan
    before: Forecast
    after: Forecast

    @property
    def found(self) -> bool:
        """Whether the plan is another and better."""
        return self.after.kl < self.before.kl * (1 - WORTH)

    @property
    def saved(self) -> float:
        """The share of the forecast KL that is saved, 0..1."""
        return 1 - self.after.kl / self.before.kl if self.before.kl > 0 else 0.0


def improve(
    plan: Plan, forecaster: Forecaster, machine: Machine, locks: Mapping[Group, float], keep: Kept = "size"
) -> Improvement:
    """The plan of least forecast damage that saves as much.

    Parameters
    ----------
    plan
        What is to be made better.
    forecaster, machine
        What damage, sizes and times are forecast by.
    locks
        Levels that stay.
    keep
        What stays as it is: `size`, of the file that is written and of a compact one, or the time of writing
        (`decode`) or of reading (`prefill`).

    Raises
    ------
    PruningError
        For a plan that prunes nothing, or locks that contradict each other.
    """
    if not plan:
        raise PruningError("This plan prunes nothing, so there is nothing to improve. Prune something first.")
    layers = {layer for layer, _ in forecaster.smap.groups}
    gone = sum(kind == LAYERS for _, kind in plan)
    bounds = Bounds(locks=locks, most_layers=max(gone, round(MOST_LAYERS * len(layers))))
    choices, before = mixed_choices(forecaster, machine, bounds), forecaster.forecast(plan)
    try:
        found = solve_mixed(choices, _targets(plan, machine, keep), forecaster).plan
    except Infeasible:
        # The plan lies between the levels that are looked at, and nothing else saves as much.
        found = plan
    improvement = Improvement(found, before, forecaster.forecast(found))
    return improvement if improvement.found else Improvement(dict(plan), before, before)


def _targets(plan: Plan, machine: Machine, keep: Kept) -> list[Target]:
    cost = machine.cost(plan)
    if keep == "decode":
        return [Target("decode_speedup", cost.decode_speedup * (1 - SLACK))]
    if keep == "prefill":
        return [Target("speedup", cost.prefill_speedup * (1 - SLACK))]
    return [
        Target(FILE, cost.file_bytes * (1 + SLACK)),
        Target("bytes", cost.compact_bytes * (1 + SLACK)),
    ]
