"""The plans whose measurement teaches most about a map. Numpy only."""

from collections.abc import Mapping

from pruning.calibration import Calibration
from pruning.costmap import SensitivityMap
from pruning.forecast import forecast, kinds_of
from pruning.plan import MAX_LEVEL, Plan

TRIALS = 6
# KL of the plans by the forecast before them, nats per token: one for the whole, then what one kind costs.
WHOLE, ONE_KIND = 0.8, 0.35
# In the plan of a kind the others go as well, a little: nobody prunes one kind alone.
BESIDE = 0.25
ROUNDS = 30


def trial_plans(table: SensitivityMap, calibration: Calibration | None = None) -> list[Plan]:
    """At most `TRIALS` plans to measure: one that takes the same share of everything, and for each kind of
    group one that takes most from it. They tell the factors of a calibration apart, which random plans,
    all of them mixed alike, do not."""
    kinds = kinds_of(table)
    plans = [_scaled(table, dict.fromkeys(kinds, 1.0), WHOLE, calibration)]
    for kind in kinds if len(kinds) > 1 else ():
        shares = {other: 1.0 if other == kind else BESIDE for other in kinds}
        plans.append(_scaled(table, shares, ONE_KIND, calibration))
    if len(kinds) == 1:
        plans += [_scaled(table, {kinds[0]: 1.0}, WHOLE * times, calibration) for times in (0.15, 0.4, 2.0)]
    return plans[:TRIALS]


def _scaled(
    table: SensitivityMap, shares: dict[str, float], kl: float, calibration: Calibration | None
) -> Plan:
    """Levels in the proportion of `shares` by kind, as high as they may be for a forecast KL of `kl`."""
    low, high = 0.0, MAX_LEVEL / max(shares.values())
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        plan = {group: min(MAX_LEVEL, middle * shares[group[1]]) for group in table.groups}
        low, high = (middle, high) if forecast(table, plan, calibration).kl < kl else (low, middle)
    levels = {kind: round(low * share, 2) for kind, share in shares.items()}
    return {group: levels[group[1]] for group in table.groups if levels[group[1]] > 0}


def in_units(plan: Plan, totals: Mapping[int, int]) -> Plan:
    """The plan at levels that whole units make: `totals` are a layer's units."""
    counts = {
        group: min(round(level * totals[group[0]]), int(MAX_LEVEL * totals[group[0]]))
        for group, level in plan.items()
    }
    return {group: round(count / totals[group[0]], 6) for group, count in counts.items() if count}
