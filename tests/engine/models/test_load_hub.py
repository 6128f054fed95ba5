"""Models of the hub: fetched, found again without it, and every failure told apart."""

import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pruning.engine.models import load as models
from pruning.engine.models.load import load
from pruning.errors import PruningError
from pruning.model_files import hub
from tests.support.fake_hub import fake_hub, run_with_hub

REFUSED = """
from pruning.errors import PruningError
try:
    {call}
except PruningError as error:
    print(error)
"""
pytestmark = pytest.mark.usefixtures("home")


def test_a_hub_model_is_fetched_and_then_found_without_the_hub(llama_folder: Path, tmp_path: Path) -> None:
    code = "from pruning.engine.models.load import load; print(load('owner/tiny', device='cpu').fingerprint)"
    expected = load(str(llama_folder)).fingerprint
    with fake_hub({"owner/tiny": llama_folder}) as endpoint:
        assert run_with_hub(code, endpoint, tmp_path) == expected
    assert run_with_hub(code, endpoint, tmp_path, HF_HUB_OFFLINE="1") == expected


def test_hub_failures_are_told_apart(llama_folder: Path, folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    describe = REFUSED.format(call="from pruning.model_files import hub; hub.describe('owner/tiny')")
    fetch = REFUSED.format(call="from pruning.model_files import hub; hub.fetch(hub.describe('owner/tiny'))")
    with fake_hub({}) as endpoint:
        assert "no such model on the hub" in run_with_hub(describe, endpoint, tmp_path)
    assert "The hub could not be reached" in run_with_hub(describe, endpoint, tmp_path)
    assert "HF_HUB_OFFLINE is set" in run_with_hub(describe, endpoint, tmp_path, HF_HUB_OFFLINE="1")
    with fake_hub({"owner/tiny": llama_folder}, broken="model.safetensors") as endpoint:
        answer = run_with_hub(fetch, endpoint, tmp_path)
        assert "model.safetensors of owner/tiny could not be fetched" in answer
    with fake_hub({"owner/tiny": folder}) as endpoint:
        assert "allow_pickle=True" in run_with_hub(fetch, endpoint, tmp_path)


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    code = REFUSED.format(
        call="from pruning.model_files import hub; hub.PATIENCE = 0.5; hub.describe('owner/tiny')"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "The hub could not be reached" in run_with_hub(code, endpoint, tmp_path)


def test_fetching_reports_bytes_and_can_be_cancelled(llama_folder: Path, tmp_path: Path) -> None:
    code = """
from pruning.model_files import hub
from pruning.errors import Cancelled
seen = []
def note_down(done, total, note="", partial=None):
    seen.append((done, total))
hub.fetch(hub.describe("owner/tiny"), progress=note_down)
def cancel(done, total, note="", partial=None):
    raise Cancelled
try:
    hub.fetch(hub.describe("owner/other"), progress=cancel)
except Cancelled:
    print(seen == sorted(seen), seen[-1][0] == seen[-1][1], hub.cached("owner/other"))
"""
    with fake_hub({"owner/tiny": llama_folder, "owner/other": llama_folder}) as endpoint:
        assert run_with_hub(code, endpoint, tmp_path) == "True True None"


def test_an_unreachable_hub_falls_back_to_what_is_cached(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str) -> hub.HubModel:
        raise PruningError("The hub could not be reached")

    monkeypatch.setattr(models.hub, "describe", unreachable)
    monkeypatch.setattr(models.hub, "cached", lambda name: llama_folder)
    assert load("owner/tiny").reference == "owner/tiny"
    monkeypatch.setattr(models.hub, "cached", lambda name: None)
    with pytest.raises(PruningError, match="could not be reached"):
        load("owner/tiny")
