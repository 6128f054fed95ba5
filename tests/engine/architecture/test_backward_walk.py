"""Gradients that go back layer by layer are those of the whole model, and a walk that was cut off goes on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.backward_walk import BackwardWalk
from pruning.engine.architecture.forward import hidden_states
from pruning.engine.calibration.fisher_sums import gradients_from_embeddings
from pruning.engine.models.load import Loaded, load
from tests.support.tiny import FAMILIES, tiny_folder

WINDOWS = (torch.arange(5 * 20) * 7 % 370 + 3).reshape(5, 20)
BATCHES = [WINDOWS[:2], WINDOWS[2:4], WINDOWS[4:]]
Heard = dict[tuple[int, str], list[torch.Tensor]]


def _listen(loaded: Loaded) -> Heard:
    """Gradients at the output of each group's first module, batch after batch."""
    heard: Heard = {}
    for group in loaded.groups:

        def note(_: Any, __: Any, output: torch.Tensor, key: tuple[int, str] = group.key) -> None:
            if output.requires_grad:
                output.register_hook(lambda gradient: heard.setdefault(key, []).append(gradient.clone()))

        loaded.model.get_submodule(group.parts[0].module).register_forward_hook(note)
    return heard


def _send(_: int, hidden: torch.Tensor) -> torch.Tensor:
    return hidden.detach().cos()


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_the_whole_model(family: str, tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "model", family))
    whole, streamed = load(folder, stream="no"), load(folder, stream="yes")
    expected, heard = _listen(whole), _listen(streamed)
    with gradients_from_embeddings(whole.model):
        for ids in BATCHES:
            with torch.enable_grad():
                hidden = hidden_states(whole.model, ids)
            hidden.backward(_send(0, hidden))
    layers = list(BackwardWalk(streamed.model, BATCHES, tmp_path / "walk").layers(_send))
    assert layers == [2, 1, 0]
    assert heard.keys() == expected.keys()
    for key, gradients in expected.items():
        for one, other in zip(gradients, heard[key], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_walk_that_was_cut_off_goes_on_from_the_layer_it_was_at(tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "model"))
    whole = load(folder, stream="yes")
    expected = _listen(whole)
    list(BackwardWalk(whole.model, BATCHES, tmp_path / "uninterrupted").layers(_send))

    first = load(folder, stream="yes")
    for layer in BackwardWalk(first.model, BATCHES, tmp_path / "walk").layers(_send):
        if layer == 1:
            break  # as a process that is killed before it asks for the next
    again = load(folder, stream="yes")
    heard = _listen(again)

    def never(number: int, hidden: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the end of the model was reached before")

    assert list(BackwardWalk(again.model, BATCHES, tmp_path / "walk").layers(never)) == [1, 0]
    assert {layer for layer, _ in heard} == {0, 1}
    for key, gradients in heard.items():
        assert all(torch.equal(a, b) for a, b in zip(gradients, expected[key], strict=True))
