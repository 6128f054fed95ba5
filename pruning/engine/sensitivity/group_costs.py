"""The sensitivity map's figures: what every level of every group is forecast to cost, from Fisher factors."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.calibration.factors import FisherFactors, Statistics
from pruning.engine.criteria import Criterion, CriterionInputs
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.masks import removed
from pruning.progress import Progress, silent

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ANCHORS = 3
LEAST = 1e-12


@dataclass(frozen=True)
class Scoring:
    """How weights are chosen: a criterion, and what it scores each group with."""

    criterion: Criterion
    inputs: CriterionInputs


def price_groups(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    statistics: Statistics,
    scoring: Scoring,
    levels: Sequence[float] = LEVELS,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast KL of each group at each level, by both estimators, before κ; no data is read.

    Parameters
    ----------
    model
        Dense; it is not changed.
    groups
        The groups to price, each by itself.
    statistics
        The Fisher factors that price.
    scoring
        What chooses the weights.
    levels
        Sparsities, 0..1, ascending.

    Returns
    -------
    kronecker, token
        Costs in nats per token, each [groups, levels]: the Kronecker-factored estimate and the sampled
        quadratic form.
    """
    kronecker = np.zeros((len(groups), len(levels)))
    token = np.zeros_like(kronecker)
    for row, group in enumerate(groups):
        key = (group.layer, group.kind)
        weight = group_weight(model, group)
        factors = statistics.groups[key]
        if scoring.criterion.updates:
            changes = _updates(weight, factors, levels)
        else:
            scores = scoring.criterion.score(weight, scoring.inputs(key))
            changes = _removals(weight, scores, scoring.criterion.scope, levels)
        kronecker[row], token[row] = price_changes(changes, factors, levels)
        progress(row + 1, len(groups), f"Pricing layer {group.layer}, {group.kind}")
    return kronecker, token


def _removals(
    weight: torch.Tensor, scores: torch.Tensor, scope: str, levels: Sequence[float]
) -> Iterator[torch.Tensor]:
    """What each level prunes, [out, in], when the lowest-scored weights become zero."""
    for threshold in _thresholds(scores, levels, scope):
        yield weight * (scores <= threshold)


def _updates(weight: torch.Tensor, factors: FisherFactors, levels: Sequence[float]) -> Iterator[torch.Tensor]:
    """The change [out, in] that each level makes when the kept weights compensate for the pruned ones."""
    for level in levels:
        new, _ = obs_prune(weight, factors.input_covariance, partial(removed, level=level, scope="group"))
        yield new - weight


def price_changes(
    changes: Iterable[torch.Tensor], factors: FisherFactors, levels: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Cost of the weight change that each level makes to one group.

    The sampled quadratic form is dear and its ratio to the Kronecker-factored estimate changes slowly with
    the level: it is computed at `ANCHORS` of the levels, and the log ratio is interpolated between them.

    Parameters
    ----------
    changes
        D = W_pruned − W [out, in] for each level.
    factors
        The group's Fisher factors.
    levels
        Sparsities, 0..1, ascending.

    Returns
    -------
    kronecker, token
        Costs in nats per token, each [levels]; the cost of the outlier positions is in both.
    """
    samples = factors.sample_inputs.float(), factors.sample_gradients.float()
    outliers = factors.outlier_inputs.float(), factors.outlier_gradients.float()
    each = torch.full((len(outliers[0]),), 1.0, device=factors.input_covariance.device) / factors.scored
    anchors = np.unique(np.linspace(0, len(levels) - 1, ANCHORS + 2).round().astype(int)[1:-1])
    kronecker, ratios = np.zeros(len(levels)), []
    for index, change in enumerate(changes):
        at_outliers = float(token_cost(change, *outliers, each))
        kronecker[index] = at_outliers + float(kronecker_cost(change, factors))
        if index in anchors:
            token = at_outliers + float(token_cost(change, *samples, factors.sample_weights))
            ratios.append(math.log(max(token, LEAST) / max(kronecker[index], LEAST)))
    positions = np.asarray(levels)
    return kronecker, kronecker * np.exp(np.interp(positions, positions[anchors], ratios))


def kronecker_cost(change: torch.Tensor, factors: FisherFactors) -> torch.Tensor:
    """½ · tr(diag(G) D A Dᵀ), the Kronecker-factored estimate in nats per token, for D [out, in].

    References
    ----------
    Martens & Grosse 2015, arXiv 1503.05671: F ≈ A ⊗ G, here with the diagonal of G alone.
    """
    output_error = ((change @ factors.input_covariance) * change).sum(1)
    return 0.5 * (factors.output_second_moment @ output_error)


def token_cost(
    change: torch.Tensor, inputs: torch.Tensor, gradients: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """½ · Σ_p weight_p · (g_pᵀ D x_p)², the sampled quadratic form in nats per token.

    For D [out, in], x [n, in], g [n, out] and weights [n]. Nothing is taken to be independent.
    """
    moved = ((inputs @ change.T) * gradients).sum(1)
    return 0.5 * (weights @ moved.square())


def _thresholds(scores: torch.Tensor, levels: Sequence[float], scope: str) -> list[torch.Tensor]:
    """For each level the score at or below which a weight is pruned: [1, 1] or, by row, [out, 1]."""
    rows = scores if scope == "row" else scores.reshape(1, -1)
    counts = [max(1, round(level * rows.shape[1])) for level in levels]
    array = rows.cpu().numpy()
    parted = np.partition(array, [count - 1 for count in counts], axis=1)
    return [torch.from_numpy(parted[:, count - 1 : count].copy()).to(scores.device) for count in counts]
