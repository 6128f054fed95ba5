"""Prices for what has to be saved: the Lagrange dual of a choice of one level for each group. Numpy only."""

import numpy as np

from pruning.planning.bisection import bisection

TIGHT = 1e-9
NEWTON_STEPS = 12
SMOOTHINGS = (0.3, 0.03, 0.003, 3e-4, 3e-5, 3e-6)


def bound_at(costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, prices: np.ndarray) -> float:
    """No choice that meets the budgets costs less than this."""
    return float((costs - np.tensordot(prices, saved, 1)).min(axis=1).sum() + prices @ needed)


def best_multipliers(costs: np.ndarray, saved: np.ndarray, needed: np.ndarray) -> tuple[np.ndarray, float]:
    """The price of each budget [budgets] that makes the bound highest, and that bound."""
    count = len(needed)
    if count == 0:
        return np.zeros(0), float(costs.min(axis=1).sum())
    if count == 1:
        price = _one_price(costs, saved[0], float(needed[0]))
        return np.array([price]), bound_at(costs, saved, needed, np.array([price]))
    starts = np.diag([_one_price(costs, saved[k], float(needed[k])) for k in range(count)])
    starts = np.concatenate([starts, starts.mean(axis=0, keepdims=True)])
    bounds = [bound_at(costs, saved, needed, start) for start in starts]
    prices = starts[int(np.argmax(bounds))]
    best = prices, max(bounds)
    scale = max(float(prices @ np.abs(needed)), TIGHT) / len(costs)
    for smoothing in SMOOTHINGS:
        prices = _smooth_prices(costs, saved, needed, prices, smoothing * scale)
        bound = bound_at(costs, saved, needed, prices)
        best = (prices, bound) if bound > best[1] else best
    return best


def _one_price(costs: np.ndarray, saved: np.ndarray, needed: float) -> float:
    """The lowest price at which what each group does best by itself meets one budget."""
    rows = np.arange(len(costs))

    def enough(price: float) -> bool:
        # Of equal ones the one that saves most: at the right price it is the step that tips the balance.
        worth = costs - price * saved
        near = worth <= worth.min(axis=1, keepdims=True) + 1e-13
        return float(np.where(near, saved, -np.inf)[rows].max(axis=1).sum()) >= needed - TIGHT

    if enough(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while not enough(high) and high < 1e9:
        low, high = high, high * 4
    return bisection(enough, low, high)[1]


def _smooth_prices(
    costs: np.ndarray, saved: np.ndarray, needed: np.ndarray, start: np.ndarray, softness: float
) -> np.ndarray:
    """Newton's method, prices ≥ 0, on the bound with each group's minimum softened by `softness`."""

    def value(prices: np.ndarray) -> tuple[float, np.ndarray]:
        worth = (costs - np.tensordot(prices, saved, 1)) / softness
        least = worth.min(axis=1, keepdims=True)
        weights = np.exp(least - worth)
        total = weights.sum(axis=1, keepdims=True)
        return float(softness * (least - np.log(total)).sum() + prices @ needed), weights / total

    prices = start.copy()
    now, shares = value(prices)
    for _ in range(NEWTON_STEPS):
        mean = (shares * saved).sum(axis=2)
        slope = needed - mean.sum(axis=1)
        free = (prices > 0) | (slope > 0)
        if not free.any() or np.abs(slope[free]).max() < 1e-10:
            break
        centred = (saved - mean[:, :, None])[free]
        curve = np.einsum("kgl,jgl,gl->kj", centred, centred, shares) / softness
        curve += np.eye(len(curve)) * (1e-12 + 1e-9 * np.trace(curve))
        step = np.zeros_like(prices)
        step[free] = np.linalg.solve(curve, slope[free])
        length = 1.0
        while length > 1e-6:
            tried = np.maximum(prices + length * step, 0.0)
            then, new_shares = value(tried)
            if then > now:
                break
            length /= 4
        else:
            break
        prices, now, shares = tried, then, new_shares
    return prices
