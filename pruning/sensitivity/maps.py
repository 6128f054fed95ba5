"""The map: what every level of every group is forecast to cost, from stored statistics alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from pruning.criteria import Criterion
from pruning.groups import GroupInfo
from pruning.masks import group_scores, group_weight
from pruning.progress import Progress, silent
from pruning.statistics import GroupStatistics, Statistics

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def price_groups(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    statistics: Statistics,
    criterion: Criterion,
    levels: Sequence[float] = LEVELS,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast KL (nats per token, before κ) of each group at each level, by both estimators.

    Returns (kronecker, token), each [groups, levels]. The model must be dense and is not changed; no data
    is read.
    """
    kronecker = np.zeros((len(groups), len(levels)))
    token = np.zeros_like(kronecker)
    for row, group in enumerate(groups):
        known = statistics.groups[group.layer, group.kind]
        weight = group_weight(model, group)
        kronecker[row], token[row] = price_levels(weight, known, criterion, levels)
        progress(row + 1, len(groups), f"Pricing layer {group.layer}, {group.kind}")
    return kronecker, token


def price_levels(
    weight: torch.Tensor, known: GroupStatistics, criterion: Criterion, levels: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Cost of removing the lowest-scored share of `weight` [out, in], for each level: two arrays [levels]."""
    scores = group_scores(criterion, weight, known)
    thresholds = _thresholds(scores, levels, criterion.scope)
    sample_inputs, sample_outputs = known.sample_inputs.float(), known.sample_outputs.float()
    results = []
    for threshold in thresholds:
        change = weight * (scores <= threshold)
        results.append(
            (kronecker_cost(change, known), token_cost(change, known, sample_inputs, sample_outputs))
        )
    costs = np.array([[float(value) for value in pair] for pair in results])
    return costs[:, 0], costs[:, 1]


def kronecker_cost(change: torch.Tensor, known: GroupStatistics) -> torch.Tensor:
    """½ · Σ_i G_ii · (D A Dᵀ)_ii for a weight change D [out, in]: the Kronecker form with diagonal G."""
    return 0.5 * (known.outputs @ ((change @ known.inputs) * change).sum(1))


def token_cost(
    change: torch.Tensor, known: GroupStatistics, sample_inputs: torch.Tensor, sample_outputs: torch.Tensor
) -> torch.Tensor:
    """½ · (1/T) · Σ_p (g_pᵀ D x_p)² over the sampled positions, each standing for its weight."""
    moved = ((sample_inputs @ change.T) * sample_outputs).sum(1)
    return 0.5 * (known.sample_weights @ moved.square())


def _thresholds(scores: torch.Tensor, levels: Sequence[float], scope: str) -> list[torch.Tensor]:
    """For each level the score at or below which a weight goes: [] or, by row, [out, 1]."""
    rows = scores if scope == "row" else scores.reshape(1, -1)
    counts = [max(1, round(level * rows.shape[1])) for level in levels]
    array = rows.cpu().numpy()
    parted = np.partition(array, [count - 1 for count in counts], axis=1)
    return [torch.from_numpy(parted[:, count - 1 : count].copy()).to(scores.device) for count in counts]
