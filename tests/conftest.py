"""Fixtures shared by all tests; torch is imported only by the tests that ask for a model."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with tokenizer on disk; do not write into it."""
    from tests.tiny import tiny_folder

    return tiny_folder(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture
def llama() -> Any:
    """A tiny Llama of the test's own."""
    from tests.tiny import tiny_model

    return tiny_model("llama")
