"""Pruning the weights that stay of a group whose units are gone: on its kept rows and columns alone."""

from dataclasses import dataclass

import torch
from torch import nn

from pruning.engine.architecture.groups import GroupInfo
from pruning.engine.criteria import Criterion, CriterionInputs, GroupInputs
from pruning.engine.linalg.least_squares import corrected_target
from pruning.engine.linalg.obs import obs_prune
from pruning.engine.masking.masks import masks, zeros_of
from pruning.engine.masking.sparsegpt import choice, part_rows
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Plan


@dataclass(frozen=True)
class WeightPruning:
    """How the weights that stay are pruned.

    Attributes
    ----------
    levels
        The share of what stays that goes, 0..1, by group.
    criterion
        Scores the weights, and says whether the kept ones are updated.
    inputs
        What the dense model's statistics say of each group's outputs and gradients; the inputs of a group
        are those it gets in the pruned model.
    options
        A scope of row or group, a pattern or a block.
    """

    levels: Plan
    criterion: Criterion
    inputs: CriterionInputs
    options: MaskOptions


@dataclass(frozen=True)
class Kept:
    """A group's weight [out, in], and which of its `rows` [out] and `columns` [in] stay, bool."""

    weight: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor, gone: torch.Tensor | None) -> "Kept":
        """What stays of a weight beside the mask `gone`, bool [out, in], of pruned units."""
        if gone is None:
            gone = torch.zeros_like(weight, dtype=torch.bool)
        return cls(weight, ~gone.all(dim=1), ~gone.all(dim=0))

    def part(self, values: torch.Tensor) -> torch.Tensor:
        """The kept rows and columns of `values` [out, in]."""
        return values[self.rows][:, self.columns]

    def full(self, part: torch.Tensor, other: float | bool) -> torch.Tensor:
        """The other way round: what is not kept becomes `other`."""
        result = torch.full(self.weight.shape, other, dtype=part.dtype, device=part.device)
        rows, columns = self.rows.nonzero().flatten(), self.columns.nonzero().flatten()
        result[rows[:, None], columns] = part
        return result


def prune_kept(
    model: nn.Module,
    group: GroupInfo,
    kept: Kept,
    covariance: torch.Tensor,
    missing: torch.Tensor | None,
    pruning: WeightPruning,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A group's new weight and what is pruned of it with its units, both [out, in]; the model is only read.

    Parameters
    ----------
    model, group
        Where the weight is from.
    kept
        The weight as it is now, and what stays of it.
    covariance
        mean x̂ x̂ᵀ [in, in] of its inputs in the pruned model.
    missing
        mean d x̂ᵀ [out, in], d being what its outputs lack to those of the dense model; None where the weight
        is not to make up for it.
    pruning
        Level, criterion and options.
    """
    weight, inputs = kept.part(kept.weight), covariance[kept.columns][:, kept.columns]
    criterion, level = pruning.criterion, pruning.levels[group.key]
    if criterion.updates:
        if missing is not None:
            weight = corrected_target(weight, inputs, kept.part(missing))
        rows = [int(part.sum()) for part in kept.rows.split(part_rows(model, group))]
        choose, step = choice(level, pruning.options, rows)
        new, mask = obs_prune(weight, inputs, choose, step, held=zeros_of(kept.part(kept.weight)))
    else:
        scores = criterion.score(weight, _inputs(pruning.inputs(group.key), kept, inputs))
        mask = masks({group.key: scores}, {group.key: level}, pruning.options, criterion.norm)[group.key]
        new = weight.masked_fill(mask, 0)
    return kept.full(new, 0.0), kept.full(mask, True)


def _inputs(dense: GroupInputs, kept: Kept, covariance: torch.Tensor) -> GroupInputs:
    """What a criterion may look at, of the kept rows and columns; `covariance` is of the kept inputs."""
    return GroupInputs(
        inputs=covariance.diagonal(),
        outputs=None if dense.outputs is None else dense.outputs[kept.rows],
        products=covariance,
        gradients=None if dense.gradients is None else kept.part(dense.gradients),
        place=dense.place,
    )
