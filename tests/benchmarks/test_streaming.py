"""The bench of streaming: a made-up model is a model, and each command's peak is its own."""

from pathlib import Path

import pytest

from pruning.benchmarks.streaming import bench
from pruning.benchmarks.streaming.bench import bench_streaming, streaming_tables
from pruning.benchmarks.streaming.made_up import write_made_up
from pruning.engine.models.load import load
from pruning.errors import PruningError
from tests.support.result_keys import check_printed
from tests.support.tiny import tiny_folder

SMALL = {
    "model_type": "llama",
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


def test_a_made_up_model_is_the_same_each_time_and_has_shards(tmp_path: Path) -> None:
    tokenizer = tiny_folder(tmp_path / "tokenizer")
    folders = [write_made_up(tmp_path / name, tokenizer, SMALL) for name in ("one", "other")]
    assert len(list(folders[0].glob("model-*.safetensors"))) == 3
    whole, streamed = load(str(folders[0]), stream="no"), load(str(folders[1]), stream="yes")
    assert whole.fingerprint == streamed.fingerprint
    assert whole.formats.usual == "bfloat16"


def test_each_command_has_its_peak_and_a_failure_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    folder = write_made_up(tmp_path / "model", tiny_folder(tmp_path / "tokenizer"), SMALL)
    commands = bench._commands(str(folder), tmp_path, 512)
    assert list(commands) == ["inspect", "estimate", "map", "recipe --criterion corrected", "export"]
    monkeypatch.setattr(bench, "_commands", lambda *_: {"inspect": commands["inspect"]})
    found = bench_streaming(str(folder), 512, lambda _: None)
    check_printed("bench streaming", found)
    [row] = found["rows"]
    assert 100e6 < row["peak"] < 4e9
    assert row["processor_seconds"] > 0
    assert "| inspect |" in streaming_tables(found)[0]
    monkeypatch.setattr(bench, "_commands", lambda *_: {"inspect": ["inspect", str(tmp_path / "nothing")]})
    with pytest.raises(PruningError, match="inspect failed: .*nothing"):
        bench_streaming(str(folder), 512, lambda _: None)
