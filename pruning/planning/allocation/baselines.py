"""Baselines of sparsity allocation: uniform, OWL, greedy, and presets."""

from collections.abc import Callable, Mapping

import numpy as np

from pruning.errors import PruningError
from pruning.planning.allocation.choices import ChoiceTable
from pruning.planning.bisection import bisection
from pruning.planning.recipe.plan import MAX_LEVEL, Plan
from pruning.planning.recipe.presets import preset_plan

OWL_REACH = 0.08  # λ of the paper


def uniform(choices: ChoiceTable, sparsity: float) -> Plan:
    """The same level in every group."""
    return {group: round(sparsity, 6) for group in choices.groups} if sparsity > 0 else {}


def owl(choices: ChoiceTable, sparsity: float, outliers: Mapping[int, float]) -> Plan:
    """Outlier-weighed layerwise sparsity: a layer with more outliers is pruned less.

    Levels of layers lie within 2 λ of one another, in proportion to 1 − D, their mean by weights the
    `sparsity`; every group of a layer has the layer's.

    Parameters
    ----------
    choices
        The groups and their weights.
    sparsity
        The share of the prunable weights to prune, 0..1.
    outliers
        By layer, the share D of outliers (`pruning.engine.sensitivity.outliers`).

    References
    ----------
    L. Yin et al., "Outlier Weighed Layerwise Sparsity (OWL)", arXiv 2310.05175, §3.3.
    """
    layers = sorted({layer for layer, _ in choices.groups})
    shares = np.array([outliers[layer] for layer in layers])
    span = float(shares.max() - shares.min()) or 1.0
    raw = -2 * OWL_REACH * (shares - shares.min()) / span
    weights = np.array(
        [
            sum(choices.weights[row] for row, group in enumerate(choices.groups) if group[0] == layer)
            for layer in layers
        ]
    )
    levels = np.clip(raw - float(raw @ weights) / float(weights.sum()) + sparsity, 0.0, MAX_LEVEL)
    level_of = dict(zip(layers, levels, strict=True))
    return {group: round(float(level_of[group[0]]), 6) for group in choices.groups if level_of[group[0]] > 0}


def greedy(choices: ChoiceTable, sparsity: float) -> Plan:
    """Step after step, the one that costs least for each weight it prunes, until enough are pruned.

    From dense, over all of the table's levels; one level of one group at a time, and never back. Raises
    PruningError where its last step leaves too few pruned.
    """
    columns, rows = choices.allowed.argmax(axis=1), np.arange(len(choices.groups))
    last = choices.allowed.shape[1] - 1 - choices.allowed[:, ::-1].argmax(axis=1)
    saved, target = choices.saved["parameters"], sparsity * choices.prunable
    pruned = choices.total("parameters", columns)
    while pruned < target * (1 - 1e-12):
        then = np.minimum(columns + 1, last)
        more = saved[rows, then] - saved[rows, columns]
        ratio = (choices.costs[rows, then] - choices.costs[rows, columns]) / np.maximum(more, 1e-9)
        open_ = columns < last
        if not open_.any():
            raise PruningError(
                f"Step by step, no more than {pruned / choices.prunable:.4g} of the weights can go."
            )
        best = int(np.argmin(np.where(open_, ratio, np.inf)))
        columns[best] += 1
        pruned += float(more[best])
    return choices.plan(columns)


def preset(choices: ChoiceTable, sparsity: float, name: str) -> Plan | None:
    """A preset at the level that prunes this share of the weights; None where no level does."""

    def reached(level: float) -> float:
        plan = preset_plan(name, level, choices.groups)
        return float(sum(plan.get(g, 0.0) * w for g, w in zip(choices.groups, choices.weights, strict=True)))

    target = sparsity * choices.prunable
    if reached(MAX_LEVEL) < target or reached(0.0) > target:
        return None
    _, level = bisection(lambda level: reached(level) >= target, 0.0, MAX_LEVEL, rounds=40)
    return preset_plan(name, level, choices.groups)


BASELINES: Mapping[str, Callable[[ChoiceTable, float], Plan]] = {"uniform": uniform, "greedy": greedy}
