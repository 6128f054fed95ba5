"""Text that goes through a model layer by layer comes out as when it goes through at once."""

import pytest
import torch

from pruning.engine.architecture.forward import hidden_states
from pruning.engine.architecture.groups import decoder_layers, find_groups
from pruning.engine.architecture.sequential import mean_product, start_pass, step_layer
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

# Batches of 4 windows, and a last one of 2.
WINDOWS = torch.randint(3, VOCABULARY, (10, 256), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_by_layer_is_the_whole_model(family: str) -> None:
    model = tiny_model(family)
    layers = decoder_layers(model)
    expected: list[torch.Tensor] = []
    handle = layers[-1][1].register_forward_hook(lambda _, args, result: expected.append(result))
    with torch.no_grad():
        hidden_states(model, WINDOWS[-2:])
    handle.remove()
    text = start_pass(model, WINDOWS)
    assert [len(states) for states in text.states] == [4, 4, 2]
    states = text.states
    for index, (_, layer) in enumerate(layers):
        states, _ = step_layer(layer, index, text, states, {})
    torch.testing.assert_close(states[-1], expected[0], rtol=1e-4, atol=1e-4)


def test_what_linear_modules_are_given_and_put_out_is_seen() -> None:
    model = tiny_model("llama")
    part = next(group for group in find_groups(model) if group.kind == "down").parts[0]
    module = model.get_submodule(part.module)
    text = start_pass(model, WINDOWS[:4])
    _, seen = step_layer(decoder_layers(model)[0][1], 0, text, text.states, {"down": module})
    [given], [put] = seen.given["down"], seen.put["down"]
    torch.testing.assert_close(put, given @ module.weight.T)
    assert len(given) == WINDOWS[:4].numel()


def test_mean_product_is_over_all_tokens() -> None:
    left, right = torch.randn(10, 3), torch.randn(10, 2)
    found = mean_product([left[:4], left[4:]], [right[:4], right[4:]])
    torch.testing.assert_close(found, left.T @ right / 10)
