"""Widths from configurations: against each family's own weights, and published counts."""

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.given.published import DEMO, PUBLISHED
from pruning.planning.cost.given.shape import shape_of
from tests.support.tiny import FAMILIES, tiny_model

# Weights of models that their makers publish, and those that a token meets in the layers of the last.
PARAMETERS = {
    "Llama-3.2-3B": 3.21e9,
    "Llama-3.1-8B": 8.03e9,
    "Llama-3.1-70B": 70.6e9,
    "Qwen3-30B-A3B": 30.5e9,
}
ACTIVE = 3.3e9


@pytest.mark.parametrize("family", FAMILIES)
def test_prunable_weights_of_every_family_are_counted(family: str) -> None:
    model = tiny_model(family)
    total = sum(parameter.numel() for parameter in model.parameters())
    shape = shape_of(model.config.to_dict(), total)
    layers = [p for name, p in model.named_parameters() if ".0." in name and p.ndim == 2]
    assert shape.prunable == shape.layers * sum(p.numel() for p in layers)
    assert shape.total == total


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_the_weights_that_are_published(name: str) -> None:
    assert shape_of(PUBLISHED[name]).total == pytest.approx(PARAMETERS[name], rel=0.005)


def test_the_demo_is_counted_to_the_weight() -> None:
    assert shape_of(DEMO).total == 134_515_008


def test_a_token_meets_few_of_many_experts() -> None:
    shape = shape_of(PUBLISHED["Qwen3-30B-A3B"])
    active = (shape.operations + shape.head_operations) / 2 + shape.embedding
    assert active == pytest.approx(ACTIVE, rel=0.02)


def test_gate_and_up_share_what_they_read() -> None:
    assert [m.shares_inputs for m in shape_of(DEMO).matrices] == [False, False, False, True, False]


def test_what_is_no_decoder_is_refused() -> None:
    with pytest.raises(PruningError, match="hidden_size"):
        shape_of({"num_hidden_layers": 2})
