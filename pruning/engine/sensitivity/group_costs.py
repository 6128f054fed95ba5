"""The map: what every level of every group is forecast to cost, from stored statistics alone."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.calibration.fisher import GroupStatistics, Statistics
from pruning.engine.criteria import Criterion, CriterionInputs
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.masks import removed
from pruning.progress import Progress, silent

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ANCHORS = 3
LEAST = 1e-12


def price_groups(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    statistics: Statistics,
    criterion: Criterion,
    looked_at: CriterionInputs,
    levels: Sequence[float] = LEVELS,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast KL (nats per token, before κ) of each group at each level, by both estimators.

    `looked_at` gives the criterion what it scores with. Returns (kronecker, token), each [groups, levels].
    The model must be dense and is not changed; no data is read.
    """
    kronecker = np.zeros((len(groups), len(levels)))
    token = np.zeros_like(kronecker)
    for row, group in enumerate(groups):
        key = (group.layer, group.kind)
        weight = group_weight(model, group)
        known = statistics.groups[key]
        if criterion.updates:
            changes = _updates(weight, known, levels)
        else:
            changes = _removals(weight, criterion.score(weight, looked_at(key)), criterion.scope, levels)
        kronecker[row], token[row] = price_changes(changes, known, levels)
        progress(row + 1, len(groups), f"Pricing layer {group.layer}, {group.kind}")
    return kronecker, token


def _removals(
    weight: torch.Tensor, scores: torch.Tensor, scope: str, levels: Sequence[float]
) -> Iterator[torch.Tensor]:
    """What each level takes away, [out, in], when the lowest-scored weights become zero."""
    for threshold in _thresholds(scores, levels, scope):
        yield weight * (scores <= threshold)


def _updates(weight: torch.Tensor, known: GroupStatistics, levels: Sequence[float]) -> Iterator[torch.Tensor]:
    """The change [out, in] that each level makes when the weights that stay make up for the others."""
    for level in levels:
        new, _ = obs_prune(weight, known.inputs, partial(removed, level=level, scope="group"))
        yield new - weight


def price_changes(
    changes: Iterable[torch.Tensor], known: GroupStatistics, levels: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Cost of the change [out, in] that each of `levels` makes to a group: two arrays [levels].

    The token estimate is dear and its ratio to the Kronecker one changes slowly with the level: it is
    computed at `ANCHORS` of the levels and the log ratio is drawn straight between them.
    """
    samples = known.sample_inputs.float(), known.sample_outputs.float()
    apart = known.apart_inputs.float(), known.apart_outputs.float()
    each = torch.full((len(apart[0]),), 1.0, device=known.inputs.device) / known.scored
    anchors = np.unique(np.linspace(0, len(levels) - 1, ANCHORS + 2).round().astype(int)[1:-1])
    kronecker, ratios = np.zeros(len(levels)), []
    for index, change in enumerate(changes):
        special = float(token_cost(change, *apart, each))
        kronecker[index] = special + float(kronecker_cost(change, known))
        if index in anchors:
            token = special + float(token_cost(change, *samples, known.sample_weights))
            ratios.append(math.log(max(token, LEAST) / max(kronecker[index], LEAST)))
    positions = np.asarray(levels)
    return kronecker, kronecker * np.exp(np.interp(positions, positions[anchors], ratios))


def kronecker_cost(change: torch.Tensor, known: GroupStatistics) -> torch.Tensor:
    """½ · Σ_i G_ii · (D A Dᵀ)_ii for a weight change D [out, in]: the Kronecker form with diagonal G."""
    return 0.5 * (known.outputs @ ((change @ known.inputs) * change).sum(1))


def token_cost(
    change: torch.Tensor, inputs: torch.Tensor, outputs: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """½ · Σ_p weight_p · (g_pᵀ D x_p)² for D [out, in], x [n, in], g [n, out] and weights [n]."""
    moved = ((inputs @ change.T) * outputs).sum(1)
    return 0.5 * (weights @ moved.square())


def _thresholds(scores: torch.Tensor, levels: Sequence[float], scope: str) -> list[torch.Tensor]:
    """For each level the score at or below which a weight goes: [] or, by row, [out, 1]."""
    rows = scores if scope == "row" else scores.reshape(1, -1)
    counts = [max(1, round(level * rows.shape[1])) for level in levels]
    array = rows.cpu().numpy()
    parted = np.partition(array, [count - 1 for count in counts], axis=1)
    return [torch.from_numpy(parted[:, count - 1 : count].copy()).to(scores.device) for count in counts]
