"""Fisher factors of a group, and of all groups of a model: the types of what is collected and priced with."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pruning.planning.recipe.plan import Group


@dataclass(frozen=True)
class FisherFactors:
    """What the calibration tokens say of one group with weight [out, in].

    The windows are in two folds: one decides which weights are pruned, the other prices what was pruned, so
    that a criterion is not priced with the noise it was chosen by. Positions are ordinary ones or outliers.

    Attributes
    ----------
    score_inputs, score_outputs
        Mean x_j² [in] and mean g_i² [out] over all positions of the scoring fold.
    input_covariance
        A = mean x xᵀ [in, in] (uncentred) over the ordinary positions of the pricing fold.
    output_second_moment
        diag G [out], G = (1/T) Σ_p g gᵀ over the same positions p and the fold's T scored tokens.
    sample_inputs, sample_gradients, sample_weights
        x [n, in], g [n, out] and weights [n] of single ordinary positions: Σ weight · f(x, g) estimates
        (1/T) Σ_p f(x_p, g_p). For the sampled quadratic form.
    outlier_inputs, outlier_gradients
        x [m, in] and g [m, out] of every outlier position, an attention sink or a massive activation, where
        x and g are far from independent. Each counts 1 / `scored`, in both estimators.
    scored
        T, a scalar.
    ordinary
        How many ordinary positions the pricing fold has, a scalar.
    """

    score_inputs: torch.Tensor
    score_outputs: torch.Tensor
    input_covariance: torch.Tensor
    output_second_moment: torch.Tensor
    sample_inputs: torch.Tensor
    sample_gradients: torch.Tensor
    sample_weights: torch.Tensor
    outlier_inputs: torch.Tensor
    outlier_gradients: torch.Tensor
    scored: torch.Tensor
    ordinary: torch.Tensor


@dataclass(frozen=True)
class StatisticsIdentity:
    """Which weights and which tokens statistics are of; empty where nobody will ask."""

    fingerprint: str = ""
    data_fingerprint: str = ""


UNNAMED = StatisticsIdentity()


@dataclass(frozen=True)
class Statistics:
    """The Fisher factors of every group of one model on one set of calibration tokens.

    Those of `collect` are held in few bytes, and a group's are made whole whenever they are asked for.
    """

    identity: StatisticsIdentity
    tokens: int
    groups: Mapping[Group, FisherFactors]
