"""The command `estimate`."""

from pathlib import Path

import pytest

from pruning.engine.evaluation import probe as probing
from pruning.engine.models import load as models
from pruning.errors import PruningError
from pruning.planning.cost.given.machine import Machine
from tests.cli.conftest import Call


def test_estimate(
    call: Call, llama_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PRODUCTS", "WALKS", "DISK"):
        monkeypatch.setattr(probing, name, 0.01)
    result = call("estimate", str(llama_folder), "--device", "cpu", "--tokens", "512")
    assert result["tokens"] == 512
    assert result["summary"] == "All of them fit in memory."


def test_a_job_that_does_not_fit_is_not_started(
    call: Call, llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Machine(10**9, 10**8, 10**12)
    monkeypatch.setattr(probing, "machine_of", lambda *_: small)
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("it was loaded"))
    said = call("map", str(llama_folder), "--device", "cpu", fails=True)
    assert "and this machine has 100 MB free" in said


def test_the_way_that_fits_is_taken(call: Call, llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def load(*_: object, stream: str, **__: object) -> None:
        given.append(stream)
        raise PruningError("Far enough.")

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(probing, "machine_of", lambda *_: Machine(10**11, 10**11, 10**12))
    for words in ((), ("--stream", "yes")):
        call("map", str(llama_folder), "--device", "cpu", *words, fails=True)
    assert given == ["no", "yes"]
