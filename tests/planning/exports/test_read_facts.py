"""Facts of a model from its files say what the loaded model says."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from pruning.errors import PruningError
from pruning.model_files.gguf_header import OWN_CONFIG
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


RIGHT = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 64,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_attention_heads": 0},
        {"hidden_size": -1},
        {"hidden_size": 10**12},
        {"num_hidden_layers": 500_000_000},
        {"num_hidden_layers": True},
        {"per_layer_config": {"7": {}}},
        {"per_layer_config": {"x": {}}},
        {"per_layer_config": {"0": 5}},
        {"per_layer_config": [1]},
    ],
    ids=str,
)
def test_numbers_that_no_model_has_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(RIGHT))
    assert facts_of(str(tmp_path)).layers == 3
    (tmp_path / "config.json").write_text(json.dumps(RIGHT | wrong))
    with pytest.raises(PruningError, match=r"Fetch the model again\."):
        facts_of(str(tmp_path))


@pytest.mark.parametrize("config", ["[" * 100_000, "[]", "{", "7"])
def test_a_gguf_file_may_carry_any_configuration(tmp_path: Path, config: str) -> None:
    path = tmp_path / "own.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string(OWN_CONFIG, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    path.write_bytes(path.read_bytes() + bytes(32))  # no tensors, but their alignment
    with pytest.raises(PruningError, match="configuration in the file cannot be read"):
        facts_of(str(path))


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="Check the path"):
        facts_of(str(tmp_path))
