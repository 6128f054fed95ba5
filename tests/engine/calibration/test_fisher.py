"""A and G: collected without a trace, and right about small changes."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.calibration import fisher as statistics
from pruning.engine.calibration import fisher_io as statistics_file
from pruning.engine.evaluation.metrics import compare
from pruning.engine.sensitivity.group_costs import kronecker_cost, token_cost
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model


def _windows(count: int = 8, length: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed))


def _collect(model: Any, windows: torch.Tensor) -> statistics.Statistics:
    return statistics.collect(model, find_groups(model), windows, "model", "data")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_group_of_every_family_gets_statistics(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = _collect(model, _windows())
    for group in find_groups(model):
        known, weight = found.groups[group.layer, group.kind], group_weight(model, group)
        out, inner = weight.shape
        assert known.inputs.shape == (inner, inner)
        assert known.outputs.shape == known.score_outputs.shape == (out,)
        assert known.score_inputs.shape == (inner,)
        assert known.sample_inputs.shape[1] == inner
        assert known.sample_outputs.shape[1] == out
        assert (known.outputs > 0).any()
        assert (known.inputs.diagonal() > 0).any()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    hooks = [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    assert hooks == []


def test_inputs_are_the_mean_outer_product_of_what_the_module_saw() -> None:
    model, windows = tiny_model("llama").eval().requires_grad_(False), _windows()
    seen: list[torch.Tensor] = []
    module = model.model.layers[1].mlp.down_proj
    handle = module.register_forward_pre_hook(lambda _m, args: seen.append(args[0].flatten(0, 1)))
    run(model, windows[1::2])
    handle.remove()
    found = _collect(model, windows).groups[1, "down"]
    x = torch.cat(seen)
    ordinary = torch.ones(len(x), dtype=torch.bool)
    for row in found.apart_inputs:
        ordinary &= ~(x.bfloat16() == row).all(1)
    assert 4 <= len(found.apart_inputs) == int((~ordinary).sum())
    x = x[ordinary]
    torch.testing.assert_close(found.inputs, x.T @ x / len(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3"])
def test_cost_of_a_small_change_is_its_kl(family: str) -> None:
    # In the last layer no gradient crosses positions, so both the token estimator and the definition of
    # KL must agree up to sampling noise: this fixes the factors one half and 1/T.
    model, windows = tiny_model(family).eval().requires_grad_(False), _windows(64, 32)
    group = find_groups(model)[-1]
    assert group.kind == "down"
    known = _collect(model, windows).groups[group.layer, group.kind]
    change = 0.02 * group_weight(model, group)
    each = torch.ones(len(known.apart_inputs)) / known.scored
    special = float(token_cost(change, known.apart_inputs.float(), known.apart_outputs.float(), each))
    samples = known.sample_inputs.float(), known.sample_outputs.float()
    cost = special + float(token_cost(change, *samples, known.sample_weights))
    head, dense = head_of(model), run(model, windows)
    module = model.get_submodule(group.parts[0].module)
    kept = module.weight.clone()
    module.weight.mul_(1.02)
    kl = compare(head, dense, run(model, windows), windows).kl
    module.weight.copy_(kept)
    assert abs(math.log(cost / kl)) < math.log(1.5)
    assert abs(math.log((special + float(kronecker_cost(change, known))) / kl)) < math.log(4)


def test_gate_and_up_share_one_matrix_also_on_disk(tmp_path: Path) -> None:
    found = _collect(tiny_model("llama").eval().requires_grad_(False), _windows())
    assert found.groups[0, "gate"].inputs is found.groups[0, "up"].inputs
    path = tmp_path / "statistics.safetensors"
    statistics_file.save(found, path)
    again = statistics_file.load(path)
    assert again.tokens == found.tokens
    assert again.groups.keys() == found.groups.keys()
    for key, group in found.groups.items():
        for name, tensor in vars(group).items():
            assert torch.equal(getattr(again.groups[key], name), tensor)
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_file_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "statistics.safetensors"
    path.write_bytes(b"no tensors here")
    with pytest.raises(PruningError, match="make the map again"):
        statistics_file.load(path)


def test_one_window_is_not_enough() -> None:
    with pytest.raises(PruningError, match="one window"):
        _collect(tiny_model("llama").requires_grad_(False), _windows(1))


def test_stopping_half_way_leaves_no_hooks() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        statistics.collect(model, find_groups(model), _windows(), "model", "data", stop)
    assert not any(m._forward_hooks for m in model.modules())
