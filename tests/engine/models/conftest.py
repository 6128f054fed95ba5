"""A home of its own, and a model on disk that may be damaged."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    """A tiny Llama on disk that the test may damage."""
    return Path(shutil.copytree(llama_folder, tmp_path / "model"))


def configured(folder: Path, **changes: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder
