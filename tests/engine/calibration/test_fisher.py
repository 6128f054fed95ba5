"""Fisher factors: collected without a trace, right about small changes, and stored under the old names."""

import gc
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
from pruning.engine.calibration.factors import CompactGroups
from pruning.engine.calibration.fisher_sums import Site, Sums
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
    assert isinstance(stats.groups, CompactGroups)
    kept = stats.groups.kept
    assert kept[0, "gate"].input_codes is kept[0, "up"].input_codes
    assert stats.groups[0, "gate"].input_covariance is stats.groups[0, "up"].input_covariance
    path = tmp_path / "statistics.safetensors"
    fisher_io.save(stats, path)
    again = fisher_io.load(path)
    assert (again.identity, again.tokens) == (stats.identity, stats.tokens)
    assert again.groups.keys() == stats.groups.keys()
    for key, factors in stats.groups.items():
        for name, tensor in vars(factors).items():
            assert torch.equal(getattr(again.groups[key], name), tensor)
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
    assert {"0.gate.input_codes", "0.down.input_codes"} <= names
    assert "0.up.input_codes" not in names
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_before_the_compact_form_opens_and_is_written_in_it(tmp_path: Path) -> None:
    # Written out, not taken from the code: a file that was written once must open for ever.
    values = {
        "score_inputs": torch.full((2,), 1.0),
        "score_outputs": torch.full((3,), 2.0),
        "inputs": torch.tensor([[4.0, 1.0], [1.0, 2.0]]),
        "outputs": torch.full((3,), 3.0),
        "sample_inputs": torch.full((5, 2), 4.0, dtype=torch.bfloat16),
        "sample_outputs": torch.full((5, 3), 5.0, dtype=torch.bfloat16),
        "sample_weights": torch.full((5,), 0.25),
        "apart_inputs": torch.full((1, 2), 6.0, dtype=torch.bfloat16),
        "apart_outputs": torch.full((1, 3), 7.0, dtype=torch.bfloat16),
        "scored": torch.tensor(40),
    }
    tensors = {f"0.up.{name}": value for name, value in values.items()}
    index = {"0.up": {name: f"0.up.{name}" for name in values}}
    about = {"fingerprint": "model", "data_fingerprint": "data", "tokens": "64"}
    old, again = tmp_path / "old.safetensors", tmp_path / "again.safetensors"
    save_file(tensors, old, metadata={**about, "index": json.dumps(index)})
    stats = fisher_io.load(old)
    assert stats.identity == fisher.StatisticsIdentity("model", "data")
    factors = stats.groups[0, "up"]
    assert int(factors.ordinary) == 50
    assert torch.equal(factors.outlier_gradients, values["apart_outputs"])
    fisher_io.save(stats, again)
    read = fisher_io.load(again).groups[0, "up"]
    torch.testing.assert_close(read.input_covariance, values["inputs"], rtol=0, atol=1e-4)
    torch.testing.assert_close(read.sample_gradients, values["sample_outputs"].float())
    assert (int(read.scored), int(read.ordinary)) == (40, 50)


def test_a_file_of_a_later_version_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "statistics.safetensors"
    about = {
        "fingerprint": "model",
        "data_fingerprint": "data",
        "tokens": "64",
        "index": "{}",
        "format": "99",
    }
    save_file({"nothing": torch.zeros(1)}, path, metadata=about)
    with pytest.raises(PruningError, match="format 99"):
        fisher_io.load(path)


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


def test_nothing_of_a_pass_is_left_in_memory() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    fisher.collect(model, find_groups(model), _windows())
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Site]


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_shares_of_the_text_add_up_to_the_whole(many: int) -> None:
    model = tiny_model("llama").requires_grad_(False)
    groups, windows = find_groups(model), _windows(11, 256)
    assert fisher.shares(windows) == 11
    whole = fisher.read(model, groups, windows)
    parts = [fisher.read(model, groups, windows, share=(which, many)) for which in range(many)]
    added = reduce(Sums.plus, parts)
    assert added.scored == whole.scored
    for key, site in whole.sites.items():
        other = added.sites[key]
        pairs = [(site.squared_gradients[at], other.squared_gradients[at]) for at in site.squared_gradients]
        if site.input_sum is not None and site.score_inputs is not None:
            pairs += [(site.input_sum, other.input_sum), (site.score_inputs, other.score_inputs)]
        for expected, given in pairs:
            torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    together, apart = (fisher.statistics_of(sums, windows) for sums in (whole, added))
    for group, factors in together.groups.items():
        for name, value in vars(factors).items():
            # What is kept has sixteen bits, and samples eight: where rounding falls the other way, one step.
            error = 0.02 * float(value.abs().max())
            torch.testing.assert_close(getattr(apart.groups[group], name), value, rtol=1e-6, atol=error)
