"""Pruning schedules: how much is pruned at which step of training. Pure functions."""

from pruning.errors import PruningError
from pruning.planning.recipe.plan import Plan

ONE_SHOT = "one_shot"
SCHEDULES = {
    ONE_SHOT: "Everything goes before the first step.",
    "linear": "The same amount goes at every pruning step.",
    "cubic": "Much goes early, while the model still has a lot to spare, and ever less later.",
    "exponential": "Every pruning step takes the same share of what is left.",
}


def level_at(schedule: str, step: int, steps: int, final: float, initial: float = 0.0) -> float:
    """The level (0..1) after `step` steps on the way from `initial`, at step 0, to `final`, at `steps`.

    With t = step / steps, linear: initial + (final − initial) · t. Cubic:
    final + (initial − final) · (1 − t)³. Exponential: what is kept shrinks by the same factor a step. From
    `steps` on it is exactly `final`, and with "one_shot" always.

    References
    ----------
    M. Zhu, S. Gupta, "To prune, or not to prune", arXiv 1710.01878, eq. 1 (cubic).
    """
    if schedule not in SCHEDULES:
        raise PruningError(f'There is no schedule "{schedule}". Use one of {", ".join(SCHEDULES)}.')
    if schedule == ONE_SHOT or step >= steps:
        return final
    t = max(0, step) / steps
    if schedule == "linear":
        return initial + (final - initial) * t
    if schedule == "cubic":
        return final + (initial - final) * (1 - t) ** 3
    return 1 - (1 - initial) ** (1 - t) * (1 - final) ** t


def plan_at(schedule: str, step: int, steps: int, plan: Plan) -> Plan:
    """The plan after `step` steps: every group is on its own way from dense to its level."""
    return {group: level_at(schedule, step, steps, level) for group, level in plan.items()}


def prunes_at(schedule: str, step: int, steps: int, every: int) -> bool:
    """Whether weights are chosen anew before training step `step` (0, 1, ...): every `every`, to `steps`."""
    if schedule == ONE_SHOT:
        return False
    return step == steps or (0 < step < steps and step % every == 0)
