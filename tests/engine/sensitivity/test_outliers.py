"""Counting outliers: each layer has a share, kept for the model and the text, and the model is only read."""

from pathlib import Path

import pytest

from pruning.engine.models.load import fingerprint, load
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import LAYERS

WORDS = "The {} boats carried {} baskets of tea across the grey river before the bell rang twice. "


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A short text, so that the test stays quick."""
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(WORDS.format(n, n * n) * 4 for n in range(40)))
    return str(path)


def test_every_layer_has_a_share_and_it_is_counted_once(
    llama_folder: Path, text: str, tmp_path: Path
) -> None:
    loaded, store = load(str(llama_folder)), Store(tmp_path / "workspace")
    session = Session(loaded, store, text)
    found = TASKS["outliers"](session)
    assert found["layers"] == list(range(LAYERS))
    assert all(0 < share < 0.5 for share in found["shares"])
    assert fingerprint(loaded.model) == loaded.fingerprint
    [row] = store.find("outliers", fingerprint=loaded.fingerprint, data=text)
    assert row["value"]["shares"] == found["shares"]

    def never(*told: object, **more: object) -> None:
        raise AssertionError("counted again")

    assert TASKS["outliers"](session.reporting(never)) == found
