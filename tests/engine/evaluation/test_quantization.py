"""Prune, then quantize: 8-bit integers whose zeros stay, sizes that are counted, quality after each step."""

import sys
from pathlib import Path

import pytest
import torch

from pruning.engine.architecture.groups import find_groups
from pruning.engine.evaluation.quantization import METHODS, quantized, stored_bytes
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.models.load import fingerprint, load
from pruning.errors import PruningError
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import tiny_model


def test_without_torchao_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    model = tiny_model()
    with pytest.raises(PruningError, match=r"prunescope\[quantize\]"):
        quantized(model, find_groups(model), "int8")
    with pytest.raises(PruningError, match="int8, int8-dynamic"):
        quantized(model, find_groups(model), "int3")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3", "opt"])
def test_a_copy_is_quantized_and_stays_close(family: str, method: str) -> None:
    pytest.importorskip("torchao")
    model = tiny_model(family)
    groups, name = find_groups(model), fingerprint(model)
    ids = torch.randint(3, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    small = quantized(model, groups, method)
    assert fingerprint(model) == name
    with torch.no_grad():
        before, after = model(input_ids=ids).logits, small(input_ids=ids).logits
    assert not torch.equal(before, after)
    assert (before - after).norm() < 0.1 * before.norm()
    weights = sum(group.parameters for group in groups)
    # One byte in place of four a weight, and a scale and a zero point a row.
    rows = sum(
        module.weight.shape[1 if family == "gpt2" else 0]
        for module in (model.get_submodule(n) for n in {p.module for g in groups for p in g.parts})
    )
    assert stored_bytes(model) == dense_bytes(model)
    assert stored_bytes(small) == dense_bytes(model) - 3 * weights + 5 * rows


def test_zeros_stay_and_are_counted_as_bits() -> None:
    pytest.importorskip("torchao")
    model = tiny_model()
    groups = find_groups(model)
    for group in groups:
        for part in group.parts:
            model.get_submodule(part.module).weight.data[:, ::2] = 0
    small = quantized(model, groups, "int8")
    for group in groups:
        for part in group.parts:
            weight = small.get_submodule(part.module).weight.dequantize()
            assert not weight[:, ::2].any()
    weights = sum(group.parameters for group in groups)
    saved = stored_bytes(small) - stored_bytes(small, zeros_as_bits=True)
    assert saved >= weights / 2 - weights / 8
    assert stored_bytes(model, zeros_as_bits=True) == dense_bytes(model)


def test_every_step_has_its_quality_and_size(llama_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"The river had risen {n} times over the path. " * 8 for n in range(50)))
    loaded, streamed = load(str(llama_folder)), []
    session = Session(loaded, Store(tmp_path / "workspace"), str(text))

    def listen(done: float, total: float, note: str = "", partial: dict | None = None) -> None:
        streamed.extend([partial["row"]] if partial else [])

    asked = {"settings": ["all=0.5"], "criterion": "magnitude"}
    found = TASKS["quantize"](session.reporting(listen), **asked)
    assert fingerprint(loaded.model) == loaded.fingerprint
    rows = {(row["pruned"], row["method"]): row for row in found["rows"]}
    assert list(rows) == [(p, m) for p in (False, True) for m in (None, "int8", "int8-dynamic")]
    assert streamed == found["rows"]
    measured = TASKS["measure"](session, **asked)
    assert rows[True, None]["kl"] == pytest.approx(measured["kl"])
    assert rows[True, None]["bytes"] == measured["bytes"]
    assert 0 < rows[False, "int8"]["kl"] < measured["kl"]
    for method in METHODS:
        assert rows[False, method]["file_bytes"] < rows[False, None]["file_bytes"]
        assert rows[True, method]["bytes"] < min(rows[True, None]["bytes"], rows[False, method]["bytes"])
    dense = TASKS["quantize"](session, methods=["int8"])
    assert [(row["pruned"], row["method"]) for row in dense["rows"]] == [(False, None), (False, "int8")]
