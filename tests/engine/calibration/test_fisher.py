"""Fisher factors: collected without a trace, right about small changes, and stored under the old names."""

import json
import math
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pruning.engine.architecture.forward import head_of, run
from pruning.engine.architecture.groups import find_groups
from pruning.engine.calibration import fisher, fisher_io
from pruning.engine.calibration.fisher_sums import Sums
from pruning.engine.evaluation.metrics import compare
from pruning.engine.masking.masks import group_weight
from pruning.engine.sensitivity.group_costs import kronecker_cost, token_cost
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, VOCABULARY, tiny_model


def _windows(count: int = 8, length: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed))


def _collect(model: Any, windows: torch.Tensor) -> fisher.Statistics:
    return fisher.collect(model, find_groups(model), windows, fisher.StatisticsIdentity("model", "data"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_group_of_every_family_gets_statistics(family: str) -> None:
    model = tiny_model(family).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stats = _collect(model, _windows())
    for group in find_groups(model):
        factors, weight = stats.groups[group.layer, group.kind], group_weight(model, group)
        out, inner = weight.shape
        assert factors.input_covariance.shape == (inner, inner)
        assert factors.output_second_moment.shape == factors.score_outputs.shape == (out,)
        assert factors.score_inputs.shape == (inner,)
        assert factors.sample_inputs.shape[1] == inner
        assert factors.sample_gradients.shape[1] == out
        assert (factors.output_second_moment > 0).any()
        assert (factors.input_covariance.diagonal() > 0).any()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    hooks = [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    assert hooks == []


def test_inputs_are_the_mean_outer_product_of_what_the_module_saw() -> None:
    model, windows = tiny_model("llama").eval().requires_grad_(False), _windows()
    inputs: list[torch.Tensor] = []
    module = model.model.layers[1].mlp.down_proj
    handle = module.register_forward_pre_hook(lambda _m, args: inputs.append(args[0].flatten(0, 1)))
    run(model, windows[1::2])
    handle.remove()
    factors = _collect(model, windows).groups[1, "down"]
    x = torch.cat(inputs)
    ordinary = torch.ones(len(x), dtype=torch.bool)
    for row in factors.outlier_inputs:
        ordinary &= ~(x.bfloat16() == row).all(1)
    assert 4 <= len(factors.outlier_inputs) == int((~ordinary).sum())
    x = x[ordinary]
    torch.testing.assert_close(factors.input_covariance, x.T @ x / len(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3"])
def test_cost_of_a_small_change_is_its_kl(family: str) -> None:
    # In the last layer no gradient crosses positions, so the sampled quadratic form and the definition of KL
    # must agree up to sampling noise: this fixes the factors one half and 1/T.
    model, windows = tiny_model(family).eval().requires_grad_(False), _windows(64, 32)
    group = find_groups(model)[-1]
    assert group.kind == "down"
    factors = _collect(model, windows).groups[group.layer, group.kind]
    change = 0.02 * group_weight(model, group)
    each = torch.ones(len(factors.outlier_inputs)) / factors.scored
    outliers = factors.outlier_inputs.float(), factors.outlier_gradients.float()
    at_outliers = float(token_cost(change, *outliers, each))
    samples = factors.sample_inputs.float(), factors.sample_gradients.float()
    cost = at_outliers + float(token_cost(change, *samples, factors.sample_weights))
    head, dense = head_of(model), run(model, windows)
    module = model.get_submodule(group.parts[0].module)
    kept = module.weight.clone()
    module.weight.mul_(1.02)
    kl = compare(head, dense, run(model, windows), windows).kl
    module.weight.copy_(kept)
    assert abs(math.log(cost / kl)) < math.log(1.5)
    assert abs(math.log((at_outliers + float(kronecker_cost(change, factors))) / kl)) < math.log(4)


def test_gate_and_up_share_one_matrix_also_on_disk(tmp_path: Path) -> None:
    stats = _collect(tiny_model("llama").eval().requires_grad_(False), _windows())
    assert stats.groups[0, "gate"].input_covariance is stats.groups[0, "up"].input_covariance
    path = tmp_path / "statistics.safetensors"
    fisher_io.save(stats, path)
    again = fisher_io.load(path)
    assert (again.identity, again.tokens) == (stats.identity, stats.tokens)
    assert again.groups.keys() == stats.groups.keys()
    for key, factors in stats.groups.items():
        for name, tensor in vars(factors).items():
            assert torch.equal(getattr(again.groups[key], name), tensor)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_names_that_files_in_workspaces_have(tmp_path: Path) -> None:
    # Written out, not taken from the code: a file that was written once must open for ever.
    names = [
        *("score_inputs", "score_outputs", "inputs", "outputs", "sample_inputs", "sample_outputs"),
        *("sample_weights", "apart_inputs", "apart_outputs", "scored"),
    ]
    tensors = {f"0.up.{name}": torch.full((2,), float(number)) for number, name in enumerate(names)}
    index = {"0.up": {name: f"0.up.{name}" for name in names}}
    about = {"fingerprint": "model", "data_fingerprint": "data", "tokens": "64"}
    old, again = tmp_path / "old.safetensors", tmp_path / "again.safetensors"
    save_file(tensors, old, metadata={**about, "index": json.dumps(index)})
    stats = fisher_io.load(old)
    assert stats.identity == fisher.StatisticsIdentity("model", "data")
    factors = stats.groups[0, "up"]
    values = [factors.input_covariance, factors.output_second_moment, factors.sample_gradients]
    values += [factors.outlier_inputs, factors.outlier_gradients]
    assert [float(value[0]) for value in values] == [2, 3, 5, 7, 8]
    fisher_io.save(stats, again)
    with safe_open(again, framework="pt") as file:
        assert set(file.keys()) == set(tensors)
        assert json.loads(file.metadata()["index"]) == index
        assert {name: file.metadata()[name] for name in about} == about


def test_damaged_file_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "statistics.safetensors"
    path.write_bytes(b"no tensors here")
    with pytest.raises(PruningError, match="make the map again"):
        fisher_io.load(path)


def test_one_window_is_not_enough() -> None:
    with pytest.raises(PruningError, match="one window"):
        _collect(tiny_model("llama").requires_grad_(False), _windows(1))


def test_stopping_half_way_leaves_no_hooks() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fisher.collect(model, find_groups(model), _windows(), progress=stop)
    assert not any(m._forward_hooks for m in model.modules())


def test_marking_every_second_position_is_what_a_map_does() -> None:
    model = tiny_model()
    windows = torch.randint(3, VOCABULARY, (6, 32), generator=torch.Generator().manual_seed(0))
    groups, marks = find_groups(model), torch.zeros(6, 32, dtype=torch.bool)
    marks[:, 1::2] = True
    usual = fisher.collect(model, groups, windows)
    marked = fisher.collect(model, groups, windows, scored_at=marks)
    for key, group in usual.groups.items():
        for name, tensor in vars(group).items():
            assert torch.equal(tensor, getattr(marked.groups[key], name)), (key, name)


def test_only_marked_positions_send_gradients() -> None:
    model = tiny_model()
    windows = torch.randint(3, VOCABULARY, (4, 32), generator=torch.Generator().manual_seed(0))
    marks = torch.zeros(4, 32, dtype=torch.bool)
    marks[:, 10] = True
    stats = fisher.collect(model, find_groups(model), windows, scored_at=marks)
    assert all(int(group.scored) == 2 for group in stats.groups.values()), "two windows price"
    # In the last layer's MLP nothing crosses positions: gradients stand at the marked ones alone.
    last = stats.groups[2, "down"]
    assert int((last.sample_gradients.abs().sum(1) > 0).sum()) == 2
    # Before that what comes after cannot matter, and what comes before does through attention.
    assert int((stats.groups[0, "down"].sample_gradients.abs().sum(1) > 0).sum()) > 2
    with pytest.raises(PruningError, match="no position to score"):
        fisher.collect(model, find_groups(model), windows, scored_at=torch.zeros_like(marks))


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_shares_of_the_text_add_up_to_the_whole(many: int) -> None:
    model = tiny_model("llama").requires_grad_(False)
    groups, windows = find_groups(model), _windows(11, 256)
    assert fisher.shares(windows) == 6
    whole = _collect(model, windows)
    parts = [fisher.read(model, groups, windows, share=(which, many)) for which in range(many)]
    added = fisher.statistics_of(reduce(Sums.plus, parts), windows)
    for group, factors in whole.groups.items():
        for name, value in vars(factors).items():
            error = 1e-6 * float(value.abs().max())
            torch.testing.assert_close(getattr(added.groups[group], name), value, rtol=1e-6, atol=error)
