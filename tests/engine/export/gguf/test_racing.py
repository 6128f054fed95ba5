"""Timing in llama.cpp: real files of really narrower models, kept apart from PyTorch's times."""

from typing import Any

import pytest
import torch

from pruning.benchmarks import latency as benches
from pruning.engine.evaluation import timing
from pruning.engine.export.gguf import racing
from pruning.errors import PruningError
from pruning.planning.cost.latency_table import MODES, LatencyTable, speedup
from pruning.tasks import TASKS, Session
from pruning.workspace import results

pytestmark = pytest.mark.usefixtures("dense_again")


@pytest.fixture
def raced(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Few rounds; the narrower models that were raced."""
    seen: list[Any] = []
    plain = racing.GgufFormat.write_file

    def write(self: Any, path: Any, model: Any, *others: Any) -> None:
        seen.append(model)
        plain(self, path, model, *others)

    monkeypatch.setattr(racing.GgufFormat, "write_file", write)
    monkeypatch.setattr(racing, "_race", lambda files, rounds, race=racing._race: race(files, 1))
    return seen


def test_a_table_of_llama_cpp_is_kept_apart(session: Session, raced: list[Any]) -> None:
    found = TASKS["latency"](session, engine="llamacpp", quantize="f16")
    table = LatencyTable.from_dict(found)
    assert table.device == "llamacpp"
    assert set(table.shares) == {"neurons", "heads", "kv_groups", "layers"}
    assert all(table.dense[mode] > 0 for mode in MODES)
    assert speedup(table, {(0, "neurons"): 0.5}, "decode") >= 1
    widths = {model.model.layers[0].mlp.up_proj.out_features for model in raced}
    assert min(widths) == 16
    assert max(widths) == 64
    fingerprint = session.loaded.computed
    assert results.latency(session.store, fingerprint, "float32", "cpu") is None
    assert results.latency(session.store, fingerprint, "f16", "llamacpp") == found
    count = len(raced)
    assert TASKS["latency"](session, engine="llamacpp", quantize="f16") == found
    assert len(raced) == count, "measured once"
    with pytest.raises(PruningError, match="no engine"):
        TASKS["latency"](session, engine="vllm")


def test_turns_change_and_every_time_stays_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(files: list[Any], prompt: Any, more: int) -> dict[str, Any]:
        times = torch.tensor([float(file) for file in files])
        return {"prefill": times.numpy(), "decode": times[:, None].expand(-1, more).numpy()}

    monkeypatch.setattr(racing, "race", pretend)
    result = racing._race([1, 2], 3)  # type: ignore[list-item]
    for mode in MODES:
        assert result.ratio(1, mode) == 2
        assert result.seconds[mode].shape == (2, timing.PROMPTS * 3 * (1 if mode == "prefill" else 4))


def test_the_bench_races_files(session: Session, raced: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "SINGLE_PLANS", 2)
    monkeypatch.setattr(benches, "MIXED_PLANS", 1)
    found = benches.bench_latency(session, "llamacpp", "q8_0")
    assert found["plans"] == 3
    assert {model.model.layers[0].mlp.up_proj.out_features % 32 for model in raced[-3:]} == {0}
