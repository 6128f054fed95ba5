"""Estimates of a tiny model, from its headers and a probe."""

from pathlib import Path

import pytest

from pruning.engine.evaluation import probe as probing
from pruning.errors import PruningError
from pruning.planning.cost.estimate.jobs import JOBS
from pruning.tasks.estimate import SPEEDS, estimate
from pruning.workspace.store import Store


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCTS", "WALKS", "DISK"):
        monkeypatch.setattr(probing, name, 0.01)


def test_every_job_is_estimated_both_ways(llama_folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    found = estimate(str(llama_folder), store, device="cpu")
    assert [row["job"] for row in found["jobs"]] == list(JOBS)
    for row in found["jobs"]:
        assert row["in_memory"]["fits"]
        assert row["in_memory"]["seconds"] > 0
        assert (row["streamed"] is None) == (row["job"] == "recover")
    assert found["parameters"] == found["file_bytes"] // 4
    assert store.get(SPEEDS, {"dtype": "float32", "device": "cpu"}) == found["speeds"]


def test_no_weight_is_read(llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch
    import transformers

    monkeypatch.setattr(safetensors.torch, "load_file", lambda *_: pytest.fail("weights were read"))
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM, "from_pretrained", lambda *_: pytest.fail("it was loaded")
    )
    estimate(str(llama_folder), Store(tmp_path), "bfloat16", "cpu", tokens=512)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="There is no model at"):
        estimate("/no/such/folder", Store(tmp_path))
    with pytest.raises(PruningError, match="not a dtype"):
        estimate("demo", Store(tmp_path), "int4")
