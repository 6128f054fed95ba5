"""Other ways to share out a sparsity: uniform, OWL, greedy, and ready strategies. Numpy only."""

from collections.abc import Callable, Mapping

import numpy as np

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.bisection import bisection
from pruning.planning.recipe.plan import MAX_LEVEL, Plan
from pruning.planning.recipe.presets import preset_plan

OWL_REACH = 0.08  # λ of the paper


def uniform(menu: ChoiceTable, sparsity: float) -> Plan:
    """The same level in every group."""
    return {group: round(sparsity, 6) for group in menu.groups} if sparsity > 0 else {}


def owl(menu: ChoiceTable, sparsity: float, outliers: Mapping[int, float]) -> Plan:
    """Outlier-weighed layers (Yin et al. 2024, §3.3): a layer with more outliers loses less.

    `outliers` is the share of outliers of each layer (`pruning.engine.sensitivity.outliers`). The levels of
    layers are S − λ to S + λ apart, spread in proportion to 1 − D, their mean S by weights; every group of a
    layer has the layer's.
    """
    layers = sorted({layer for layer, _ in menu.groups})
    shares = np.array([outliers[layer] for layer in layers])
    span = float(shares.max() - shares.min()) or 1.0
    raw = -2 * OWL_REACH * (shares - shares.min()) / span
    weights = np.array(
        [
            sum(menu.weights[row] for row, group in enumerate(menu.groups) if group[0] == layer)
            for layer in layers
        ]
    )
    levels = np.clip(raw - float(raw @ weights) / float(weights.sum()) + sparsity, 0.0, MAX_LEVEL)
    own = dict(zip(layers, levels, strict=True))
    return {group: round(float(own[group[0]]), 6) for group in menu.groups if own[group[0]] > 0}


def greedy(menu: ChoiceTable, sparsity: float) -> Plan:
    """Step after step, the one that costs least for each weight it removes, until enough are gone.

    From dense, over all of the menu's levels; one level of one group at a time, and never back.
    """
    columns, rows = menu.allowed.argmax(axis=1), np.arange(len(menu.groups))
    last = menu.allowed.shape[1] - 1 - menu.allowed[:, ::-1].argmax(axis=1)
    saved, wanted = menu.saved["parameters"], sparsity * menu.prunable
    gone = menu.total("parameters", columns)
    while gone < wanted * (1 - 1e-12):
        then = np.minimum(columns + 1, last)
        more = saved[rows, then] - saved[rows, columns]
        price = (menu.costs[rows, then] - menu.costs[rows, columns]) / np.maximum(more, 1e-9)
        open_ = columns < last
        if not open_.any():
            raise PruningError(
                f"Step by step, no more than {gone / menu.prunable:.4g} of the weights can go."
            )
        best = int(np.argmin(np.where(open_, price, np.inf)))
        columns[best] += 1
        gone += float(more[best])
    return menu.plan(columns)


def preset(menu: ChoiceTable, sparsity: float, name: str) -> Plan | None:
    """A ready strategy (`pruning.planning.recipe.presets`) at the level that removes this share; None where
    none does."""

    def reached(level: float) -> float:
        plan = preset_plan(name, level, menu.groups)
        return float(sum(plan.get(g, 0.0) * w for g, w in zip(menu.groups, menu.weights, strict=True)))

    target = sparsity * menu.prunable
    if reached(MAX_LEVEL) < target or reached(0.0) > target:
        return None
    _, level = bisection(lambda level: reached(level) >= target, 0.0, MAX_LEVEL, rounds=40)
    return preset_plan(name, level, menu.groups)


BASELINES: Mapping[str, Callable[[ChoiceTable, float], Plan]] = {"uniform": uniform, "greedy": greedy}
