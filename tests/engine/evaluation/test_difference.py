"""Two models of one family: which layers answer to each other, and what is different in them."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from pruning.engine.architecture.groups import decoder_layers, find_groups, weight_view
from pruning.engine.evaluation.difference import align_layers, check_comparable, compare_weights, drift
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, INNER, tiny_model


def shorter(model: Any, gone: set[int]) -> Any:
    """A copy without some of its layers."""
    cut = copy.deepcopy(model)
    name = decoder_layers(cut)[0][0].rpartition(".")[0]
    kept = [layer for index, (_, layer) in enumerate(decoder_layers(cut)) if index not in gone]
    parent, _, own = name.rpartition(".")
    setattr(cut.get_submodule(parent), own, nn.ModuleList(kept))
    return cut


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_that_are_gone_are_found(family: str) -> None:
    # GPT-2, OPT and GPT-NeoX have other names for it.
    layers = {"gpt2": "n_layer"}.get(family, "num_hidden_layers")
    dense = tiny_model(family, **{layers: 6})
    cut = shorter(dense, {1, 4})
    origin = align_layers(dense, cut, find_groups(dense), find_groups(cut))
    assert origin == [0, 2, 3, 5]


def test_layers_are_found_where_half_of_the_weights_are_zero() -> None:
    dense = tiny_model(num_hidden_layers=6)
    cut = shorter(dense, {0, 3})
    groups = find_groups(cut)
    with torch.no_grad():
        for group in groups:
            for part in group.parts:
                weight = weight_view(cut, part)
                weight[weight.abs() < weight.abs().median()] = 0
    origin = align_layers(dense, cut, find_groups(dense), groups)
    assert origin == [1, 2, 4, 5]
    rows = compare_weights(dense, cut, find_groups(dense), groups, origin)
    assert [row.other_zeros for row in rows] == pytest.approx([0.5] * 20, abs=0.01)
    assert all(row.zeros == 0 and row.change == 0 and row.layer == origin[row.other] for row in rows)


def test_narrower_layers_are_told_by_their_shapes() -> None:
    dense, cut = tiny_model(), tiny_model()
    mlp = decoder_layers(cut)[1][1].mlp
    for name in ("gate_proj", "up_proj"):
        linear = getattr(mlp, name)
        linear.weight = nn.Parameter(linear.weight[:40], requires_grad=False)
        linear.out_features = 40
    mlp.down_proj.weight = nn.Parameter(mlp.down_proj.weight[:, :40], requires_grad=False)
    mlp.down_proj.in_features = 40
    groups, others = find_groups(dense), find_groups(cut)
    origin = align_layers(dense, cut, groups, others)
    assert origin == [0, 1, 2]
    rows = {(row.other, row.kind): row for row in compare_weights(dense, cut, groups, others, origin)}
    assert (rows[1, "up"].shape[0], rows[1, "up"].other_shape[0]) == (INNER, 40)
    assert rows[1, "up"].change is None
    assert rows[0, "up"].change == 0


def test_drift_is_nothing_between_equals_and_grows_from_where_they_part() -> None:
    dense, other = tiny_model(), tiny_model()
    windows = torch.arange(3, 131).reshape(2, 64)
    same = drift(dense, other, windows, [0, 1, 2])
    assert all(relative == 0 and cosine == pytest.approx(1, abs=1e-6) for relative, cosine in same)
    with torch.no_grad():
        decoder_layers(other)[1][1].mlp.down_proj.weight.mul_(1.5)
    moved = drift(dense, other, windows, [0, 1, 2])
    assert moved[0][0] == 0
    assert moved[1][0] > 0.01
    assert moved[2][0] > 0
    assert moved[1][1] < 1


def test_the_change_of_weights_is_relative() -> None:
    dense, other = tiny_model(), tiny_model()
    with torch.no_grad():
        decoder_layers(other)[2][1].mlp.up_proj.weight.mul_(1.1)
    groups = find_groups(dense)
    changed = [row for row in compare_weights(dense, other, groups, groups, [0, 1, 2]) if row.change]
    assert [(row.layer, row.kind) for row in changed] == [(2, "up")]
    assert changed[0].change == pytest.approx(0.1, rel=1e-4)


def test_models_that_cannot_be_compared_are_said() -> None:
    with pytest.raises(PruningError, match="hidden size is 32 and 64"):
        check_comparable(tiny_model(), tiny_model(hidden_size=64))
    with pytest.raises(PruningError, match="vocabulary is 384 and 400"):
        check_comparable(tiny_model(), tiny_model(vocab_size=400))
    with pytest.raises(PruningError, match="3 layers and the second 4"):
        check_comparable(tiny_model(), tiny_model(num_hidden_layers=4))
