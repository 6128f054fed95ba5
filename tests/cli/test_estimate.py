"""The command `estimate`."""

from pathlib import Path

import pytest

from pruning.engine.evaluation import probe as probing
from tests.cli.conftest import Call


def test_estimate(
    call: Call, llama_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PRODUCTS", "WALKS", "DISK"):
        monkeypatch.setattr(probing, name, 0.01)
    result = call("estimate", str(llama_folder), "--device", "cpu", "--tokens", "512")
    assert result["tokens"] == 512
    assert result["summary"] == "All of them fit in memory."
