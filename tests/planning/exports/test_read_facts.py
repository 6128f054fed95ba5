"""Facts of a model from its files say what the loaded model says."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.planning.exports.model_facts import of_inspection
from pruning.planning.exports.read_facts import facts_of
from pruning.workspace.store import Store
from tests.support.tiny import FAMILIES, HIDDEN, tiny_folder, tiny_gguf


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_says_what_the_loaded_model_does(family: str, tmp_path: Path, store: Store) -> None:
    from pruning.tasks import TASKS, Session

    folder = str(tiny_folder(tmp_path / family, family))
    read = facts_of(folder)
    found = of_inspection(TASKS["inspect"](Session.open(folder, store=store)))
    assert (read.family, read.hidden_size, read.layers) == (found.family, HIDDEN, found.layers)
    assert read.units == found.units
    assert read.groups == found.groups


def test_a_gguf_file_says_the_same(tmp_path: Path) -> None:
    folder = facts_of(str(tiny_folder(tmp_path / "llama", tie_word_embeddings=True)))
    assert facts_of(str(tiny_gguf(tmp_path / "tiny.gguf"))) == folder


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="Check the path"):
        facts_of(str(tmp_path))
