"""Lagrangian relaxation of the choice of units and weights: separable by layer once budgets have a price.

With a multiplier λ_k for each budget, a group of weights has a best level and a worth
v_g = min_l (c_gl − Σ_k λ_k s_kgl) whatever the units beside it; an option o of a layer's units leaves the
share r_go of it, so that the layer's best is min_o (c_o − Σ_k λ_k s_ko + Σ_g r_go v_g). Summed over layers,
plus Σ_k λ_k b_k, no plan that meets the budgets b costs less. The best multipliers make this highest.

References
----------
A. M. Geoffrion, "Lagrangean relaxation for integer programming", Mathematical Programming Study 2 (1974).
"""

from dataclasses import dataclass

import numpy as np

from pruning.planning.allocation.lagrangian import MOST_MULTIPLIER, lowest_multiplier

NEWTON_STEPS = 10
SMOOTHINGS = (0.3, 0.03, 0.003, 3e-4, 3e-5)
HAIRS = (1.0, 1 + 1e-9, 1 + 1e-6)


@dataclass(frozen=True, eq=False)
class Dual:
    """The problem in arrays: what is made least, and budgets, of which `needed` [k] has to be saved.

    `costs` [layers, options] and `saved` [k, layers, options] are of units, inf and 0 where there is no
    option; `level_costs` [groups, levels] and `level_saved` [k, groups, levels] of whole groups of weights,
    of which the share `kept` [groups, options] counts; `members` [layers, groups] is 1 for groups of a layer.
    """

    costs: np.ndarray
    saved: np.ndarray
    level_costs: np.ndarray
    level_saved: np.ndarray
    kept: np.ndarray
    members: np.ndarray
    needed: np.ndarray

    def worth(self, multipliers: np.ndarray) -> np.ndarray:
        """What every option of a layer comes to, its groups at their best levels [layers, options]."""
        best = (self.level_costs - np.tensordot(multipliers, self.level_saved, 1)).min(axis=1)
        beside = self.members @ (self.kept * best[:, None])
        return np.asarray(self.costs - np.tensordot(multipliers, self.saved, 1) + beside)

    def bound(self, multipliers: np.ndarray) -> float:
        """No plan that meets the budgets has less."""
        return float(self.worth(multipliers).min(axis=1).sum() + multipliers @ self.needed)

    def best(self, multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        """What each layer's best comes to without its savings, and what that saves of every budget [k]."""
        values = self.level_costs - np.tensordot(multipliers, self.level_saved, 1)
        columns = values.argmin(axis=1)
        rows, groups = np.arange(len(self.costs)), np.arange(len(columns))
        beside = self.members @ (self.kept * values[groups, columns][:, None])
        worth = self.costs - np.tensordot(multipliers, self.saved, 1) + beside
        options = worth.argmin(axis=1)
        kept = self.kept[groups, options[self.members.argmax(axis=0)]]
        cost = self.costs[rows, options].sum() + self.level_costs[groups, columns] @ kept
        saved = self.saved[:, rows, options].sum(axis=1) + self.level_saved[:, groups, columns] @ kept
        return float(cost), np.asarray(saved)

    def multipliers(self) -> tuple[np.ndarray, float]:
        """The multipliers [k] that make the bound highest, as near as they are found, and that bound."""
        count = len(self.needed)
        if count == 0:
            return np.zeros(0), self.bound(np.zeros(0))
        starts = np.diag([self._alone(k) for k in range(count)])
        if count > 1:
            starts = np.concatenate([starts, starts.mean(axis=0, keepdims=True)])
        bounds = [self.bound(start) for start in starts]
        multipliers = starts[int(np.argmax(bounds))]
        best = multipliers, max(bounds)
        if count == 1:
            return best
        scale = max(float(multipliers @ np.abs(self.needed)), 1e-9) / len(self.costs)
        for smoothing in SMOOTHINGS:
            multipliers = self._smoothed(multipliers, smoothing * scale)
            bound = self.bound(multipliers)
            best = (multipliers, bound) if bound > best[1] else best
        return best

    def _alone(self, budget: int) -> float:
        """The lowest multiplier at which one budget is met, the others left out."""
        unit, needed = np.eye(len(self.needed))[budget], float(self.needed[budget])

        def best(multiplier: float) -> tuple[float, float]:
            cost, saved = self.best(multiplier * unit)
            return cost, float(saved[budget])

        # What saves most is as good as best at a very high price.
        found = lowest_multiplier(best, best(MOST_MULTIPLIER), needed)
        # Of equal ones not the one that saves most is taken: a little above it is.
        return next((found * hair for hair in HAIRS if best(found * hair)[1] >= needed), found)

    def _smoothed(self, start: np.ndarray, softness: float) -> np.ndarray:
        """Newton's method, multipliers ≥ 0, on the bound with every minimum softened by `softness`."""
        multipliers = start.copy()
        now, slope, curve = self._soft(multipliers, softness)
        for _ in range(NEWTON_STEPS):
            free = (multipliers > 0) | (slope > 0)
            if not free.any() or np.abs(slope[free]).max() < 1e-8:
                break
            part = curve[np.ix_(free, free)]
            part = part + np.eye(len(part)) * (1e-12 + 1e-9 * np.trace(part))
            step = np.zeros_like(multipliers)
            step[free] = np.linalg.solve(part, slope[free])
            length = 1.0
            while length > 1e-6:
                tried = np.maximum(multipliers + length * step, 0.0)
                then = self._soft(tried, softness)
                if then[0] > now:
                    break
                length /= 4
            else:
                break
            multipliers, (now, slope, curve) = tried, then
        return multipliers

    def _soft(self, multipliers: np.ndarray, softness: float) -> tuple[float, np.ndarray, np.ndarray]:
        """The softened bound, its slope [k], and how its slope falls [k, k]."""
        best, levels = _soft_minimum(
            self.level_costs - np.tensordot(multipliers, self.level_saved, 1), softness
        )
        mean = (levels * self.level_saved).sum(axis=2)
        worth = (
            self.costs - np.tensordot(multipliers, self.saved, 1) + self.members @ (self.kept * best[:, None])
        )
        least, shares = _soft_minimum(worth, softness)
        saved = self.saved + np.stack([self.members @ (self.kept * own[:, None]) for own in mean])
        at = (shares * saved).sum(axis=2)
        centred = saved - at[:, :, None]
        curve = np.einsum("klo,jlo,lo->kj", centred, centred, shares)
        spread = self.level_saved - mean[:, :, None]
        there = ((self.members.T @ shares) * self.kept).sum(axis=1)
        curve += np.einsum("kgl,jgl,gl->kj", spread, spread, levels * there[:, None])
        return float(least.sum() + multipliers @ self.needed), self.needed - at.sum(axis=1), curve / softness


def _soft_minimum(values: np.ndarray, softness: float) -> tuple[np.ndarray, np.ndarray]:
    """The softened minimum of each row [rows], and the share of each column in it [rows, columns]."""
    least = values.min(axis=1, keepdims=True)
    shares = np.exp((least - values) / softness)
    total = shares.sum(axis=1, keepdims=True)
    return (least - softness * np.log(total))[:, 0], shares / total
