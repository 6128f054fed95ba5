"""Calibration plans: those whose measurement tells most about the factors of a fit."""

from collections.abc import Mapping

from pruning.planning.bisection import bisection
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import MAX_LEVEL, Plan

TRIALS = 6
# By how much the last layer's level is above the mean or below it, and the first's the other way round.
RAMP = 0.5
# KL of the plans by the prior, nats per token: (ramp, KL) of those that prune everything, of those that prune
# one kind most, and of all where there is but one kind.
WHOLE = ((RAMP, 0.8), (-RAMP, 0.5))
MOSTLY = 0.35
ALONE = (0.12, 0.8, 1.6)
# In the plan of a kind the others are pruned as well, a little: nobody prunes one kind alone.
BESIDE = 0.25
# Both read the same states, and what they make is multiplied: one plan tells of both.
TOGETHER = ("gate", "up")
ROUNDS = 30


def calibration_plans(smap: SensitivityMap, totals: Mapping[int, int] | None = None) -> list[Plan]:
    """At most `TRIALS` plans to measure: two that prune everything, more late or more early, and for each
    kind of group one that prunes it most. They tell the factors of a fit apart, which random plans, all of
    them mixed alike, do not. Of one kind alone three that prune more and more.

    With `totals`, units by layer, levels are what whole units make.
    """
    kinds = smap.kinds
    equal = dict.fromkeys(kinds, 1.0)
    if len(kinds) == 1:
        shapes = [(equal, 0.0, kl) for kl in ALONE]
    else:
        shapes = [(equal, ramp, kl) for ramp, kl in WHOLE]
        both = set(TOGETHER) <= set(kinds)
        for kind in kinds:
            if both and kind == TOGETHER[1]:
                continue
            most = TOGETHER if both and kind == TOGETHER[0] else (kind,)
            shapes.append(({k: 1.0 if k in most else BESIDE for k in kinds}, 0.0, MOSTLY))
    plans = [_scaled(smap, *shape) for shape in shapes[:TRIALS]]
    return plans if totals is None else [in_units(plan, totals) for plan in plans]


def _scaled(smap: SensitivityMap, shares: dict[str, float], ramp: float, kl: float) -> Plan:
    """Levels in the proportion of `shares` by kind, from 1 − `ramp` of them in the first layer to 1 + `ramp`
    in the last, as high as they may be for a forecast KL of `kl`."""
    last = max(1, *(layer for layer, _ in smap.groups))
    shape = {group: shares[group[1]] * (1 + ramp * (2 * group[0] / last - 1)) for group in smap.groups}
    forecaster = Forecaster.prior(smap)

    def enough(scale: float) -> bool:
        plan = {group: min(MAX_LEVEL, scale * share) for group, share in shape.items()}
        return forecaster.forecast(plan).kl >= kl

    most = MAX_LEVEL / (max(shares.values()) * (1 - abs(ramp)))
    scale, _ = bisection(enough, 0.0, most, ROUNDS)
    levels = {group: min(MAX_LEVEL, round(scale * share, 2)) for group, share in shape.items()}
    return {group: level for group, level in levels.items() if level > 0}


def in_units(plan: Plan, totals: Mapping[int, int]) -> Plan:
    """The plan at levels that whole units make: `totals` are a layer's units."""
    counts = {
        group: min(round(level * totals[group[0]]), int(MAX_LEVEL * totals[group[0]]))
        for group, level in plan.items()
    }
    return {group: round(count / totals[group[0]], 6) for group, count in counts.items() if count}
