"""Lagrangian relaxation of the multiple-choice knapsack: a multiplier for each budget, and a lower bound.

For multipliers λ ≥ 0 no choice that meets the budgets costs less than
Σ_g min_l (c_gl − Σ_k λ_k s_kgl) + Σ_k λ_k b_k, with costs c, savings s and needs b. The best multipliers make
this bound the highest (the Lagrangian dual).

References
----------
A. M. Geoffrion, "Lagrangean relaxation for integer programming", Mathematical Programming Study 2 (1974).
"""

from collections.abc import Callable

import numpy as np

TIGHT = 1e-9
# Of the search for one multiplier: the highest, how many lines it looks at, when two values are the same, and
# how far above their crossing it ends.
MOST_MULTIPLIER, MOST_LINES, EQUAL, HAIR = 1e9, 60, 1e-15, 1e-12
NEWTON_STEPS = 12
SMOOTHINGS = (0.3, 0.03, 0.003, 3e-4, 3e-5, 3e-6)


def bound_at(costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, multipliers: np.ndarray) -> float:
    """No choice that meets the budgets costs less than this."""
    return float((costs - np.tensordot(multipliers, saved, 1)).min(axis=1).sum() + multipliers @ needed)


def best_multipliers(costs: np.ndarray, saved: np.ndarray, needed: np.ndarray) -> tuple[np.ndarray, float]:
    """The multipliers [budgets] that make the bound highest, and that bound.

    `costs` [groups, levels], `saved` [budgets, groups, levels], `needed` [budgets].
    """
    count = len(needed)
    if count == 0:
        return np.zeros(0), float(costs.min(axis=1).sum())
    if count == 1:
        multiplier = _one_multiplier(costs, saved[0], float(needed[0]))
        return np.array([multiplier]), bound_at(costs, saved, needed, np.array([multiplier]))
    starts = np.diag([_one_multiplier(costs, saved[k], float(needed[k])) for k in range(count)])
    starts = np.concatenate([starts, starts.mean(axis=0, keepdims=True)])
    bounds = [bound_at(costs, saved, needed, start) for start in starts]
    multipliers = starts[int(np.argmax(bounds))]
    best = multipliers, max(bounds)
    scale = max(float(multipliers @ np.abs(needed)), TIGHT) / len(costs)
    for smoothing in SMOOTHINGS:
        multipliers = _smoothed_multipliers(costs, saved, needed, multipliers, smoothing * scale)
        bound = bound_at(costs, saved, needed, multipliers)
        best = (multipliers, bound) if bound > best[1] else best
    return best


def lowest_multiplier(
    best: Callable[[float], tuple[float, float]], most: tuple[float, float], needed: float
) -> float:
    """The lowest multiplier at which what does best saves what is needed.

    The bound is concave in the multiplier and made of straight lines, one for each (cost, saved). Where those
    of the best that saves too little and of the best that saves enough cross, either nothing is better, and
    that is it, or what is better there takes the place of one of them.

    Parameters
    ----------
    best
        (cost, saved) of what has the least cost - multiplier * saved; of equal ones the one that saves most.
    most
        The same of what saves most.
    needed
        What has to be saved.

    Returns
    -------
    float
        The multiplier, a hair above where both are equal; `MOST_MULTIPLIER` where not even `most` is enough.
    """
    low, high = best(0.0), most
    if low[1] >= needed:
        return 0.0
    if high[1] < needed:
        return MOST_MULTIPLIER
    multiplier = 0.0
    for _ in range(MOST_LINES):
        multiplier = (high[0] - low[0]) / (high[1] - low[1])
        found = best(multiplier)
        line = low[0] - multiplier * low[1]
        near = EQUAL * (abs(low[0]) + abs(multiplier * low[1]))
        if found[0] - multiplier * found[1] >= line - near:
            break
        low, high = (low, found) if found[1] >= needed else (found, high)
    return multiplier * (1 + HAIR)


def _one_multiplier(costs: np.ndarray, saved: np.ndarray, needed: float) -> float:
    """The lowest multiplier at which what each group does best by itself meets one budget."""

    def best(multiplier: float) -> tuple[float, float]:
        # Of equal ones the one that saves most: at the right multiplier it is the step that tips the balance.
        worth = costs - multiplier * saved
        least = worth.min(axis=1, keepdims=True)
        most = float(np.where(worth <= least + 1e-13, saved, -np.inf).max(axis=1).sum())
        return float(least.sum()) + multiplier * most, most

    possible = np.where(np.isfinite(costs), saved, -np.inf)
    most = possible.max(axis=1, keepdims=True)
    dearest = np.where(possible >= most, costs, np.inf).min(axis=1)
    return lowest_multiplier(best, (float(dearest.sum()), float(most.sum())), needed - TIGHT)


def _smoothed_multipliers(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, start: np.ndarray, softness: float
) -> np.ndarray:
    """Newton's method, multipliers ≥ 0, on the bound with each group's minimum softened by `softness`."""

    def value(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        worth = (costs - np.tensordot(multipliers, saved, 1)) / softness
        least = worth.min(axis=1, keepdims=True)
        weights = np.exp(least - worth)
        total = weights.sum(axis=1, keepdims=True)
        return float(softness * (least - np.log(total)).sum() + multipliers @ needed), weights / total

    multipliers = start.copy()
    now, shares = value(multipliers)
    for _ in range(NEWTON_STEPS):
        mean = (shares * saved).sum(axis=2)
        slope = needed - mean.sum(axis=1)
        free = (multipliers > 0) | (slope > 0)
        if not free.any() or np.abs(slope[free]).max() < 1e-10:
            break
        centred = (saved - mean[:, :, None])[free]
        curve = np.einsum("kgl,jgl,gl->kj", centred, centred, shares) / softness
        curve += np.eye(len(curve)) * (1e-12 + 1e-9 * np.trace(curve))
        step = np.zeros_like(multipliers)
        step[free] = np.linalg.solve(curve, slope[free])
        length = 1.0
        while length > 1e-6:
            tried = np.maximum(multipliers + length * step, 0.0)
            then, new_shares = value(tried)
            if then > now:
                break
            length /= 4
        else:
            break
        multipliers, now, shares = tried, then, new_shares
    return multipliers
