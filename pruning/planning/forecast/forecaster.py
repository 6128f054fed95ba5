"""What a plan does to the model, forecast from a sensitivity map and a fit to measured plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pruning.planning.forecast.fit import ForecastFit, fit_parameters
from pruning.planning.forecast.fit import prior as prior_fit
from pruning.planning.forecast.predict import (
    Forecast,
    Sizes,
    outcome,
    plan_costs,
    size_alone,
    sizes_at,
    spread_of,
)
from pruning.planning.forecast.quality import fit_quality
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import LAYERS, Group, Plan


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A sensitivity map with the fit that its costs are read by: KL = κ · (Σ_g w_g · c_g)^β.

    c_g is what the map says group g costs at its level, in what units leave of it; w_g is its weight by the
    fit. One forecast takes far less than a millisecond.
    """

    smap: SensitivityMap
    fit: ForecastFit

    @classmethod
    def prior(cls, smap: SensitivityMap) -> "Forecaster":
        """With what holds before any plan is measured."""
        return cls(smap, prior_fit(smap.kinds))

    @classmethod
    def plain(cls, smap: SensitivityMap) -> "Forecaster":
        """By the map alone, whose kinds count alike: to draw plans with, which no prior is to change."""
        return cls(smap, replace(prior_fit(smap.kinds), weights=dict.fromkeys(smap.kinds, 1.0)))

    @classmethod
    def fitted(
        cls,
        smap: SensitivityMap,
        measured: Sequence[tuple[Plan, float]],
        figures: Sequence[Mapping[str, float]] = (),
    ) -> "Forecaster":
        """With the fit to measured (plan, KL in nats per token) pairs; with none of them, the prior.

        Plans that prune nothing and KLs of 0 say nothing about factors and are left out. `figures` are what
        was measured of plans on the map's text (see `pruning.planning.forecast.quality.fit_quality`).

        Raises
        ------
        PruningError
            For a plan with a group that the map does not have.
        """
        pairs = [(plan_costs(smap, plan), kl) for plan, kl in measured]
        pairs = [(costs, kl) for costs, kl in pairs if costs.sum() > 0 and kl > 0]
        costs = np.array([costs for costs, _ in pairs]).reshape(-1, len(smap.groups))
        kls = np.array([kl for _, kl in pairs])
        fit = fit_parameters(smap.kinds, smap.traits, costs, kls)
        return cls(smap, replace(fit, quality=fit_quality(smap.dense, figures)))

    @cached_property
    def weights(self) -> np.ndarray:
        """What each group's cost is multiplied by [groups]."""
        kinds = np.array([self.fit.weights.get(kind, 1.0) for _, kind in self.smap.groups])
        return np.asarray(kinds * np.exp(self.fit.depth * self.smap.traits[:, -1]))

    @cached_property
    def weighted_map(self) -> SensitivityMap:
        """The map with every group's costs times its weight, for who compares groups."""
        weights = self.weights[:, None]
        return replace(self.smap, kronecker=self.smap.kronecker * weights, token=self.smap.token * weights)

    def costs(self, plan: Plan) -> np.ndarray:
        """Each group's weighted cost w_g · c_g at the plan's levels [groups]."""
        return np.asarray(plan_costs(self.smap, plan) * self.weights)

    def kl_of(self, cost: float) -> float:
        """The forecast KL, nats per token, at this Σ of weighted costs."""
        return self.fit.kl_of(cost)

    def cost_of(self, kl: float) -> float:
        """The Σ of weighted costs at which the forecast KL is `kl`, nats per token."""
        return self.fit.cost_of(kl)

    def group_costs(self, plan: Plan) -> np.ndarray:
        """Each group's share of the forecast KL [groups], nats per token; they add up to it."""
        costs = self.costs(plan)
        total = costs.sum()
        return costs * (self.kl_of(float(total)) / total) if total > 0 else costs

    def forecast(self, plan: Plan) -> Forecast:
        """Quality with its band, and size, of a plan.

        Raises
        ------
        PruningError
            For a group that the map does not have.
        """
        levels = self.smap.mix.whole(self.smap.levels_of(plan))
        return self._outcome(self.costs(plan), sizes_at(self.smap, levels))

    def forecast_alone(self) -> dict[tuple[Group, float], Forecast]:
        """The forecast of every group at every level of the map, that group alone pruned; level 0 included.

        From the map's single-group costs, without the weights, which are about plans of many groups.
        """
        smap, costs = self.smap, np.exp(self.smap.logs[1])
        dense = self.forecast({})
        forecasts = {(group, 0.0): dense for group in smap.groups}
        for row, group in enumerate(smap.groups):
            for column, level in enumerate(map(float, smap.levels)):
                alone = np.zeros(len(smap.groups))
                alone[row] = costs[row, column]
                share = 1.0 if group[1] == LAYERS else level
                forecasts[group, level] = self._outcome(alone, size_alone(smap, row, share))
        return forecasts

    def _outcome(self, costs: np.ndarray, sizes: Sizes) -> Forecast:
        """The forecast at these weighted costs [groups]."""
        kl = self.kl_of(float(costs.sum()))
        spread = spread_of(self.smap, costs, self.fit)
        return outcome(self.smap, kl, spread, sizes, self.fit.quality)
