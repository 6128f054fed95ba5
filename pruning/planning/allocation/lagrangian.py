"""Lagrangian relaxation of the multiple-choice knapsack: a multiplier for each budget, and a lower bound.

For multipliers λ ≥ 0 no choice that meets the budgets costs less than
Σ_g min_l (c_gl − Σ_k λ_k s_kgl) + Σ_k λ_k b_k, with costs c, savings s and needs b. The best multipliers make
this bound the highest (the Lagrangian dual).

References
----------
A. M. Geoffrion, "Lagrangean relaxation for integer programming", Mathematical Programming Study 2 (1974).
"""

import numpy as np

from pruning.planning.bisection import bisection

TIGHT = 1e-9
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


def _one_multiplier(costs: np.ndarray, saved: np.ndarray, needed: float) -> float:
    """The lowest multiplier at which what each group does best by itself meets one budget."""
    rows = np.arange(len(costs))

    def enough(multiplier: float) -> bool:
        # Of equal ones the one that saves most: at the right multiplier it is the step that tips the balance.
        worth = costs - multiplier * saved
        near = worth <= worth.min(axis=1, keepdims=True) + 1e-13
        return float(np.where(near, saved, -np.inf)[rows].max(axis=1).sum()) >= needed - TIGHT

    if enough(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while not enough(high) and high < 1e9:
        low, high = high, high * 4
    return bisection(enough, low, high)[1]


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
