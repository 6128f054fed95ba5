"""Text that goes through a model layer by layer comes out as when it goes through at once."""

from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import hidden_states
from pruning.engine.architecture.groups import decoder_layers, find_groups
from pruning.engine.architecture.sequential import SequentialPass
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
    windows_pass = SequentialPass.start(model, WINDOWS)
    assert [len(batch) for batch in windows_pass.states] == [4, 4, 2]
    states = windows_pass.states
    for index in range(len(layers)):
        states = windows_pass.step(index, states)
    torch.testing.assert_close(states[-1], expected[0], rtol=1e-4, atol=1e-4)


def test_what_linear_modules_are_given_and_put_out_is_recorded() -> None:
    model = tiny_model("llama")
    module, windows_pass, watch = _down(model)
    after, recorded = windows_pass.record(0, windows_pass.states, watch, outputs=watch)
    [inputs], [outputs] = recorded.inputs["down"], recorded.outputs["down"]
    torch.testing.assert_close(outputs, inputs @ module.weight.T)
    assert len(inputs) == WINDOWS[:4].numel()
    assert torch.equal(after[0], windows_pass.step(0, windows_pass.states)[0])


def test_a_step_stops_where_enough_is_recorded_and_takes_its_hooks_with_it() -> None:
    model = tiny_model("llama")
    _, windows_pass, watch = _down(model)
    whole = windows_pass.record(0, windows_pass.states, watch)[1]
    after, recorded = windows_pass.record(0, windows_pass.states, watch, until="down")
    assert not len(after)
    assert torch.equal(recorded.inputs["down"][0], whole.inputs["down"][0])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def _down(model: Any) -> tuple[Any, SequentialPass, dict[str, Any]]:
    """The first layer's down, a pass of one batch, and what to watch."""
    part = next(group for group in find_groups(model) if group.key == (0, "down")).parts[0]
    module = model.get_submodule(part.module)
    return module, SequentialPass.start(model, WINDOWS[:4]), {"down": module}
