"""Cost of whole units in a sensitivity map, from the Fisher factors of single weights: no data is read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers, group_weight
from pruning.engine.architecture.units import Heads, Units, find_heads, find_neurons, unit_weights
from pruning.engine.calibration.factors import FisherFactors, Statistics
from pruning.engine.linalg.block_obs import Blocks, damped_inverse, removal_steps
from pruning.engine.linalg.column_refit import column_order, refit_costs
from pruning.engine.linalg.least_squares import shrunk_covariance
from pruning.engine.linalg.low_rank import LowRank, low_rank
from pruning.engine.sensitivity.group_costs import LEAST, price_changes
from pruning.engine.sensitivity.layer_costs import price_layers
from pruning.engine.structured.selection import evenly
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

# In the order in which they act on a model.
PRICED = ("layers", "heads", "kv_groups", "neurons")

# A refit of k kept columns to T tokens does so much better on these than on others: 1 + FLATTERY · k / T,
# with k / T at most 1. Chosen on the demo, against costs from eight times as many tokens.
FLATTERY = 0.5
# Beyond this share of a layer's heads costs are carried on from those before: nobody takes so many.
MOST_HEADS = 0.8

Curves = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class UnitCosts:
    """What a sensitivity map holds of whole units.

    `groups` are (layer, kind of unit), `parameters` [groups] the weights of all units of each, `totals` their
    number by kind and layer; `kronecker` and `token` [groups, levels] what they are forecast to cost, nats
    per token before κ.
    """

    groups: tuple[Group, ...]
    parameters: tuple[int, ...]
    totals: Mapping[str, Mapping[int, int]]
    kronecker: np.ndarray
    token: np.ndarray


def price_units(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    statistics: Statistics,
    levels: Sequence[float],
    progress: Progress = silent,
) -> UnitCosts:
    """Forecast KL of pruning a share of each layer's neurons, heads or KV groups, and of each whole layer.

    Of neurons, heads and KV groups that is the cost once the kept columns of down or attn_out are refitted.
    Kinds that a layer has only one of, and heads that do not come apart, are left out.

    Parameters
    ----------
    model, groups
        The dense model, which is not changed, and its groups.
    statistics
        The Fisher factors. Units are chosen by the gradients of the scoring fold.
    levels
        Shares of a layer's units, 0..1, ascending.
    """
    units = _units(model, groups)
    totals = _totals(units)
    outs = {group.key: group for group in groups if group.kind in ("down", "attn_out")}
    flat = np.ones(len(levels))  # a whole layer costs the same at every level
    curves: dict[Group, Curves] = {
        (layer, "layers"): (kronecker * flat, token * flat)
        for layer, (kronecker, token) in price_layers(model, groups, statistics).items()
    }
    for layer in range(len(units.layers)):
        kinds = [kind for kind in PRICED[1:] if layer in totals.get(kind, {})]
        if "neurons" in kinds:
            block = (layer, "down")
            weight = group_weight(model, outs[block])
            curves[layer, "neurons"] = _neurons(weight, statistics.groups[block], levels)
        if attention := [kind for kind in kinds if kind != "neurons"]:
            block = (layer, "attn_out")
            shares = _Attention.of(group_weight(model, outs[block]), statistics.groups[block])
            for kind in attention:
                curves[layer, kind] = shares.costs(units.heads[layer], kind, levels)
        progress(layer + 1, len(units.layers), f"Pricing units of layer {layer}")
    found = [(n, kind) for n in range(len(units.layers)) for kind in PRICED if (n, kind) in curves]
    parameters = _parameters(model, units, totals)
    return UnitCosts(
        groups=tuple(found),
        parameters=tuple(parameters[group] for group in found),
        totals=totals,
        kronecker=np.stack([curves[group][0] for group in found]),
        token=np.stack([curves[group][1] for group in found]),
    )


def _units(model: nn.Module, groups: Sequence[GroupInfo]) -> Units:
    """The model's units; without heads where they do not come apart."""
    heads: Mapping[int, Heads] = {}
    with suppress(PruningError):
        heads = find_heads(model, groups)
    return Units(tuple(name for name, _ in decoder_layers(model)), find_neurons(model, groups), heads)


def _totals(units: Units) -> dict[str, dict[int, int]]:
    """By kind and layer the number of units, where there is more than one."""
    totals = {"layers": dict.fromkeys(range(len(units.layers)), 1)}
    for kind in PRICED[1:]:
        counts = {layer: count for layer, count in units.totals(kind).items() if count > 1}
        if counts:
            totals[kind] = counts
    return totals


def _parameters(model: nn.Module, units: Units, totals: Mapping[str, Mapping[int, int]]) -> dict[Group, int]:
    """Weights of all units of each kind in each layer; of a whole layer all that is in it."""
    sizes = {
        (layer, "layers"): sum(parameter.numel() for parameter in module.parameters())
        for layer, (_, module) in enumerate(decoder_layers(model))
    }
    for kind in (kind for kind in totals if kind != "layers"):
        each = unit_weights(model, units, kind)
        sizes |= {(layer, kind): each[layer] * count for layer, count in totals[kind].items()}
    return sizes


def _with_outliers(factors: FisherFactors) -> tuple[torch.Tensor, int]:
    """mean x xᵀ [in, in] over all positions of the pricing fold, drawn towards its diagonal; their number.

    Outliers are in what a refit is fitted to: it keeps what they put out.
    """
    apart, ordinary = factors.outlier_inputs.float(), float(factors.ordinary)
    total = ordinary + len(apart)
    mean = (factors.input_covariance * ordinary).addmm_(apart.T, apart).div_(max(1.0, total))
    tokens = max(1, round(total))
    return shrunk_covariance(mean, tokens), tokens


def _neurons(weight: torch.Tensor, factors: FisherFactors, levels: Sequence[float]) -> Curves:
    """Costs [levels], the same by both estimators: single columns are many, and the sample is noisy."""
    (inputs, tokens), total = _with_outliers(factors), weight.shape[1]
    order = column_order(weight, inputs, factors.score_outputs)
    costs = refit_costs(weight, inputs, factors.output_second_moment, order)
    counts = [min(total - 1, max(1, round(level * total))) for level in levels]
    curve = costs[[count - 1 for count in counts]].double().cpu().numpy()
    curve = curve * (1 + FLATTERY * np.minimum(1.0, (total - np.array(counts)) / tokens))
    at = _on_levels(np.array(counts) / total, curve, levels)
    return at, at


@dataclass(frozen=True, eq=False)
class _Attention:
    """attn_out of one layer: its weight [out, in], its factors, their A in short, and (A + λ I)⁻¹ [in, in] of
    its inputs."""

    weight: torch.Tensor
    factors: FisherFactors
    covariance: LowRank | None
    inverse: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor, factors: FisherFactors) -> "_Attention":
        """With the inverse that all its heads and KV groups are priced by."""
        inverse = damped_inverse(_with_outliers(factors)[0])
        return cls(weight, factors, low_rank(factors.input_covariance), inverse)

    def costs(self, heads: Heads, kind: str, levels: Sequence[float]) -> Curves:
        """Costs [levels] of heads or KV groups."""
        total = heads.count if kind == "heads" else heads.groups
        most = max(1, min(total - 1, round(MOST_HEADS * total)))
        known = np.arange(1, most + 1) / total
        changes = (weight - self.weight for weight in self._pruned(heads, kind, most))
        estimates = price_changes(changes, self.factors, known.tolist(), self.covariance)
        kronecker, token = (_on_levels(known, costs, levels) for costs in estimates)
        return kronecker, token

    def _pruned(self, heads: Heads, kind: str, most: int) -> Iterator[torch.Tensor]:
        """The weight without the 1, 2, … `most` blocks of columns that go first, the others refitted; heads
        evenly from KV groups, where that divides."""
        total = heads.count if kind == "heads" else heads.groups
        size = self.weight.shape[1] // total
        steps = self._steps(most, Blocks(size))
        for count, pruned in enumerate(steps, start=1):
            if kind == "heads" and heads.groups < total and count % heads.groups == 0:
                *_, even = self._steps(count, Blocks(size, evenly(heads, count)))
                yield even
            else:
                yield pruned

    def _steps(self, count: int, blocks: Blocks) -> Iterator[torch.Tensor]:
        steps = removal_steps(self.weight, self.inverse, self.factors.score_outputs, count, blocks)
        return (weight for _, _, weight in steps)


def _on_levels(known: np.ndarray, costs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Costs known at ascending shares, at others: on straight lines between logs, the outer ones carried on;
    of a single share with the level's square."""
    known, first = np.unique(known, return_index=True)
    logs, heights = np.log(known), np.log(np.maximum(costs[first], LEAST))
    wanted = np.log(np.array(levels))
    if len(known) == 1:
        return np.asarray(np.exp(heights[0] + 2 * (wanted - logs[0])))
    right = np.clip(np.searchsorted(logs, wanted), 1, len(logs) - 1)
    share = (wanted - logs[right - 1]) / (logs[right] - logs[right - 1])
    return np.asarray(np.exp(heights[right - 1] + share * (heights[right] - heights[right - 1])))
