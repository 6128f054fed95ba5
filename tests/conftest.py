"""Fixtures shared by all tests; torch is imported only by the tests that ask for a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.texts import write_text


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with tokenizer on disk; do not write into it."""
    from tests.support.tiny import tiny_folder

    return tiny_folder(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def loaded(llama_folder: Path) -> Any:
    """The tiny Llama, loaded; tests must leave its weights as they are (see `dense_again`)."""
    from pruning.engine.models.load import load

    return load(str(llama_folder))


@pytest.fixture
def dense_again(loaded: Any) -> Iterator[None]:
    """Afterwards the weights are bit-identical."""
    from pruning.engine.models.load import fingerprint

    yield
    assert fingerprint(loaded.model) == loaded.fingerprint


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A short text in a file, so that the tiny model's tests stay quick."""
    return write_text(tmp_path_factory.mktemp("text") / "text.txt")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty workspace."""
    from pruning.workspace.store import Store

    return Store(tmp_path / "workspace")


@pytest.fixture
def session(loaded: Any, store: Any, text: str) -> Any:
    """The tiny Llama with the short text and the empty workspace; nothing is made yet."""
    from pruning.tasks import Session

    return Session(loaded, store, text)


@pytest.fixture
def llama() -> Any:
    """A tiny Llama of the test's own."""
    from tests.support.tiny import tiny_model

    return tiny_model("llama")
