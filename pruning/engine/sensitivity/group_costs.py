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
from pruning.engine.linalg.low_rank import LowRank, low_rank
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.masks import removed
from pruning.planning.recipe.plan import Group
from pruning.processor_time import part
from pruning.progress import Progress, silent

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ANCHORS = 2
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
    covariance, approximation = None, None
    for row, group in enumerate(groups):
        weight, factors = group_weight(model, group), statistics.groups[group.key]
        if factors.input_covariance is not covariance:  # gate and up have the same
            covariance, approximation = factors.input_covariance, low_rank(factors.input_covariance)
        changes = _changes(weight, group.key, factors, scoring, levels)
        kronecker[row], token[row] = price_changes(changes, factors, levels, approximation)
        progress(row + 1, len(groups), f"Pricing layer {group.layer}, {group.kind}")
    return kronecker, token


def _changes(
    weight: torch.Tensor, group: Group, factors: FisherFactors, scoring: Scoring, levels: Sequence[float]
) -> Iterator[torch.Tensor]:
    """The change [out, in] that each level makes to the weight of a group."""
    if scoring.criterion.updates:
        return _updates(weight, factors, levels)
    scores = scoring.criterion.score(weight, scoring.inputs(group))
    return _removals(weight, scores, scoring.criterion.scope, levels)


def _removals(
    weight: torch.Tensor, scores: torch.Tensor, scope: str, levels: Sequence[float]
) -> Iterator[torch.Tensor]:
    """What each level prunes, [out, in], when the lowest-scored weights become zero; the next level's takes
    the place of it."""
    change = torch.empty_like(weight)
    for threshold in _thresholds(scores, levels, scope):
        # Compared into numbers: to multiply by a mask of bools takes eight times as long.
        yield torch.le(scores, threshold, out=change).mul_(weight)


def _updates(weight: torch.Tensor, factors: FisherFactors, levels: Sequence[float]) -> Iterator[torch.Tensor]:
    """The change [out, in] that each level makes when the kept weights compensate for the pruned ones."""
    for level in levels:
        new, _ = obs_prune(weight, factors.input_covariance, partial(removed, level=level, scope="group"))
        yield new - weight


def price_changes(
    changes: Iterable[torch.Tensor],
    factors: FisherFactors,
    levels: Sequence[float],
    covariance: LowRank | None = None,
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
    covariance
        The factors' A in short, which the Kronecker-factored estimate then takes; A itself if None.

    Returns
    -------
    kronecker, token
        Costs in nats per token, each [levels]; the cost of the outlier positions is in both.
    """
    samples = factors.sample_inputs.float(), factors.sample_gradients.float(), factors.sample_weights
    each = torch.full((len(factors.outlier_inputs),), 1.0, device=factors.scored.device) / factors.scored
    outliers = factors.outlier_inputs.float(), factors.outlier_gradients.float(), each
    anchors = np.unique(np.linspace(0, len(levels) - 1, ANCHORS + 2).round().astype(int)[1:-1])
    kronecker, ratios = np.zeros(len(levels)), []
    for index, change in enumerate(changes):
        at_outliers = float(token_cost(change, *outliers))
        if covariance is None:
            kronecker[index] = at_outliers + float(kronecker_cost(change, factors))
        else:
            kronecker[index] = at_outliers + float(
                low_rank_cost(change, covariance, factors.output_second_moment)
            )
        if index in anchors:
            token = at_outliers + float(token_cost(change, *samples))
            ratios.append(math.log(max(token, LEAST) / max(kronecker[index], LEAST)))
    positions = np.asarray(levels)
    return kronecker, kronecker * np.exp(np.interp(positions, positions[anchors], ratios))


def low_rank_cost(change: torch.Tensor, covariance: LowRank, outputs: torch.Tensor) -> torch.Tensor:
    """`kronecker_cost` of D [out, in] with A in short and `outputs` diag G [out]."""
    error = (covariance.rows @ change.T).square_().sum(0) + change.square() @ covariance.rest
    return 0.5 * (outputs @ error)


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
    # NumPy sorts numbers with the processor's widest instructions: faster than to look for a few places.
    with part("sorting"):
        ordered = np.sort(rows.cpu().numpy(), axis=1)
    return [torch.from_numpy(ordered[:, count - 1 : count].copy()).to(scores.device) for count in counts]
