"""Cost of whole layers, from the Fisher factors of what they add to the residual stream."""

from collections.abc import Sequence

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, group_weight
from pruning.engine.calibration.factors import FisherFactors, Statistics
from pruning.engine.sensitivity.group_costs import kronecker_cost, token_cost

# What it costs, in nats per token before κ, when all that the outlier positions hold goes. Chosen on the 30
# layers of the demo model.
OUTLIERS_GONE = 1.0
# Rows of the embedding that are widened at once.
ROWS = 4096


def price_layers(
    model: nn.Module, groups: Sequence[GroupInfo], statistics: Statistics
) -> dict[int, tuple[float, float]]:
    """Forecast KL of leaving out each layer, by (the Kronecker-factored, the token) estimator, before κ.

    Both sum what it costs that attn_out and down put out nothing. The second-order form does not know what
    outlier positions (attention sinks, massive activations) are for: all other positions lean on what they
    hold, and their own gradients are small. So a layer costs up to `OUTLIERS_GONE` more, by the share of what
    they hold that it puts there: o / (h + o), with o what it adds there, the median of squared norms, and h
    what the layers before have added.
    """
    parts: dict[int, list[GroupInfo]] = {}
    for group in groups:
        if group.kind in ("attn_out", "down"):
            parts.setdefault(group.layer, []).append(group)
    held, costs = _embedded(model), {}
    for layer, own in sorted(parts.items()):
        # One layer's weights and factors at a time: those of all would take more than the model.
        added = [(group_weight(model, group), statistics.groups[group.key]) for group in own]
        more = sum(_at_outliers(weight, factors) for weight, factors in added)
        extra = OUTLIERS_GONE * more / (held + more) if held + more > 0 else 0.0
        estimates = [_silenced(weight, factors) for weight, factors in added]
        kronecker, token = (sum(values) for values in zip(*estimates, strict=True))
        costs[layer] = kronecker + extra, token + extra
        held += more
    return costs


def _silenced(weight: torch.Tensor, factors: FisherFactors) -> tuple[float, float]:
    """What it costs, by both estimators, that a weight [out, in] puts out nothing."""
    gone = -weight
    inputs, gradients = factors.outlier_inputs.float(), factors.outlier_gradients.float()
    each = torch.full((len(inputs),), 1.0, device=weight.device) / factors.scored
    at_outliers = float(token_cost(gone, inputs, gradients, each))
    sampled = factors.sample_inputs.float(), factors.sample_gradients.float()
    token = float(token_cost(gone, *sampled, factors.sample_weights))
    return float(kronecker_cost(gone, factors)) + at_outliers, token + at_outliers


def _at_outliers(weight: torch.Tensor, factors: FisherFactors) -> float:
    """The median squared norm of what a weight [out, in] puts out at outlier positions; 0 without any."""
    if not len(factors.outlier_inputs):
        return 0.0
    return float((factors.outlier_inputs.float() @ weight.T).square().sum(1).median())


def _embedded(model: nn.Module) -> float:
    """The mean squared norm of what the first layer is given, about: of the embeddings of all words."""
    table: torch.Tensor = model.get_input_embeddings().weight  # type: ignore[operator]
    # Some rows at a time: a large vocabulary's would take as much as many layers.
    norms = [rows.float().square().sum(1) for rows in table.detach().split(ROWS)]
    return float(torch.cat(norms).mean())
