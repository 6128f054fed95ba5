"""Gradients of single weights: those of the loss, batch by batch, and collected without a trace."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.groups import find_groups, weight_view
from pruning.engine.calibration import gradients
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model

WINDOWS = torch.randint(3, VOCABULARY, (40, 32), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_sums_are_those_of_the_loss_in_every_batch(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    groups = find_groups(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = gradients.collect(model, groups, WINDOWS)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    group = groups[3]
    expected = sum(_gradient(model, group, ids).abs() for ids in WINDOWS.split(16))
    torch.testing.assert_close(found[group.layer, group.kind], expected, rtol=1e-3, atol=1e-6)
    assert all(found[g.layer, g.kind].numel() == g.parameters for g in groups)
    assert all((values > 0).any() for values in found.values())


def _gradient(model: Any, group: Any, ids: torch.Tensor) -> torch.Tensor:
    """∂L/∂w of one batch by finite means: a copy of the model whose weights all take part."""
    model.requires_grad_(True)
    try:
        with torch.enable_grad():
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())
        loss.backward()
        parts = []
        for part in group.parts:
            module = model.get_submodule(part.module)
            parts.append(_as_view(weight_view(model, part), module.weight, module.weight.grad))
        return torch.cat(parts)
    finally:
        model.requires_grad_(False)
        model.zero_grad(set_to_none=True)


def _as_view(view: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient as the view shows its weight."""
    offset = view.storage_offset() - weight.storage_offset()
    return torch.as_strided(gradient.contiguous(), view.shape, view.stride(), offset).clone()


def test_gradients_come_back_from_a_file(tmp_path: Path) -> None:
    kept = {(0, "up"): torch.rand(3, 4), (11, "attn_out"): torch.rand(2, 2)}
    path = tmp_path / "gradients.safetensors"
    gradients.save(kept, path)
    again = gradients.load(path)
    assert again.keys() == kept.keys()
    assert all(torch.equal(again[key], values) for key, values in kept.items())
    path.write_bytes(b"nothing")
    with pytest.raises(PruningError, match="cannot be read"):
        gradients.load(path)


def test_stopping_half_way_leaves_no_hooks() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gradients.collect(model, find_groups(model), WINDOWS, stop)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())
