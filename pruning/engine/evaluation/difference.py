"""Two models of one family, layer by layer: which layers belong together, and what is different in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import batches, layer_outputs
from pruning.engine.architecture.groups import GroupInfo, decoder_layers, group_weight
from pruning.errors import PruningError
from pruning.wording import counted


@dataclass(frozen=True)
class GroupDifference:
    """A group of weights in both models.

    Attributes
    ----------
    layer, other
        Its layer in the first model and in the second.
    shape, other_shape
        Rows and columns.
    zeros, other_zeros
        Shares of exact zeros, 0..1.
    change
        ‖W₂ − W₁‖ / ‖W₁‖ over the weights that are not zero in the second; None where the shapes differ.
    """

    layer: int
    other: int
    kind: str
    shape: tuple[int, int]
    other_shape: tuple[int, int]
    zeros: float
    other_zeros: float
    change: float | None


def check_comparable(first: nn.Module, second: nn.Module) -> None:
    """Raises PruningError where states or words of two models cannot be held against each other."""
    one, two = (_facts(model) for model in (first, second))
    for name in ("hidden size", "vocabulary"):
        if one[name] != two[name]:
            raise PruningError(
                f"The two models are not of one family: their {name} is {one[name]:,} and {two[name]:,}. "
                "Compare a model with what was made of it."
            )
    layers = [len(decoder_layers(model)) for model in (first, second)]
    if layers[1] > layers[0]:
        raise PruningError(
            f"The first model has {counted(layers[0], 'layer')} and the second {layers[1]}. Name the one "
            "that was there before first."
        )


def _facts(model: nn.Module) -> dict[str, int]:
    config: Any = model.config.get_text_config()  # type: ignore[union-attr, operator]
    return {"hidden size": config.hidden_size, "vocabulary": config.vocab_size}


def align_layers(
    first: nn.Module, second: nn.Module, groups: Sequence[GroupInfo], other_groups: Sequence[GroupInfo]
) -> list[int]:
    """For each layer of the second model the layer of the first that it comes from, ascending.

    Layers are told by vectors over the hidden size, which narrower layers have as well: norms, and how long
    the rows that write to the residual stream and the columns that read from it are. Of all ways to leave
    layers of the first out, the one with the greatest sum of cosines is taken.
    """
    marks = torch.stack([_marks(first, groups, layer) for layer in range(len(decoder_layers(first)))])
    others = torch.stack(
        [_marks(second, other_groups, layer) for layer in range(len(decoder_layers(second)))]
    )
    likeness = torch.einsum("ikh,jkh->ij", others, marks.to(others.device)).cpu()
    many, whole = likeness.shape
    # best[i, j]: of the first i layers of the second, all within the first j layers of the first.
    best = torch.full((many + 1, whole + 1), -torch.inf, dtype=torch.float64)
    best[0] = 0.0
    for i in range(1, many + 1):
        for j in range(i, whole + 1):
            best[i, j] = max(best[i, j - 1], best[i - 1, j - 1] + likeness[i - 1, j - 1])
    found, j = [], whole
    for i in range(many, 0, -1):
        while j > i and best[i, j] == best[i, j - 1]:
            j -= 1
        j -= 1
        found.append(j)
    return found[::-1]


def _marks(model: nn.Module, groups: Sequence[GroupInfo], layer: int) -> torch.Tensor:
    """Unit vectors [k, hidden] of a layer."""
    hidden = _facts(model)["hidden size"]
    module = decoder_layers(model)[layer][1]
    marks = [p.detach().float() for p in module.parameters() if p.dim() == 1 and p.numel() == hidden]
    for group in groups:
        if group.layer == layer:
            weight = group_weight(model, group)
            marks.append(weight.norm(dim=1) if group.kind in ("attn_out", "down") else weight.norm(dim=0))
    return torch.stack([mark / mark.norm().clamp_min(1e-12) for mark in marks])


def compare_weights(
    first: nn.Module,
    second: nn.Module,
    groups: Sequence[GroupInfo],
    other_groups: Sequence[GroupInfo],
    origin: Sequence[int],
) -> list[GroupDifference]:
    """What is different in each group of the second model; `origin` as of `align_layers`."""
    by_key = {group.key: group for group in groups}
    rows = []
    for other in other_groups:
        group = by_key.get((origin[other.layer], other.kind))
        if group is None:
            raise PruningError(f"The first model has no {other.kind}, so the two are not of one family.")
        old, new = group_weight(first, group), group_weight(second, other)
        change = None
        if old.shape == new.shape:
            kept = new != 0
            change = float((new - old.to(new.device))[kept].norm() / old.norm().clamp_min(1e-12))
        rows.append(
            GroupDifference(
                group.layer,
                other.layer,
                other.kind,
                (old.shape[0], old.shape[1]),
                (new.shape[0], new.shape[1]),
                float((old == 0).double().mean()),
                float((new == 0).double().mean()),
                change,
            )
        )
    return rows


def drift(
    first: nn.Module, second: nn.Module, windows: torch.Tensor, origin: Sequence[int]
) -> list[tuple[float, float]]:
    """By layer of the second model, how far its output is from that of the layer it comes from.

    Returns
    -------
    The relative error ‖h₂ − h₁‖ / ‖h₁‖ and the mean cosine of h₁ and h₂, over all tokens of the windows
    [n, length].
    """
    sums = torch.zeros(len(origin), 3, dtype=torch.float64)
    tokens = 0
    for ids in batches(windows):
        old, new = layer_outputs(first, ids), layer_outputs(second, ids)
        tokens += ids.numel()
        for layer, place in enumerate(origin):
            before, after = old[place].float(), new[layer].float().to(old[place].device)
            cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1)
            squares = ((after - before) ** 2).sum(), (before**2).sum(), cosine.sum()
            sums[layer] += torch.stack([value.double() for value in squares]).cpu()
    return [(float((error / norm).sqrt()), float(cosine / tokens)) for error, norm, cosine in sums]
