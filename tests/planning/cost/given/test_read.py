"""What is read of a model's headers, of every kind of file, without a weight."""

import json
from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.given.published import PUBLISHED
from pruning.planning.cost.given.read import source_of
from tests.support.tiny import tiny_model


def test_a_folder_is_counted_as_transformers_counts_it(llama_folder: Path) -> None:
    source = source_of(str(llama_folder))
    model = tiny_model()
    assert source.shape.total == sum(parameter.numel() for parameter in model.parameters())
    assert (source.dtype, source.streams, source.to_write) == ("float32", True, 0)
    assert source.files == (llama_folder / "model.safetensors",)


def test_a_configuration_alone_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dict(PUBLISHED["Llama-3.1-8B"])), encoding="utf-8")
    source = source_of(str(path))
    assert source.shape.layers == 32
    assert source.dtype == "bfloat16"
    assert source.to_write == 2 * source.shape.total


def test_a_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(PruningError, match="does not hold a model configuration"):
        source_of(str(path))


def test_the_demo_can_be_estimated_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    source = source_of("demo")
    assert source.files == ()
    assert source.shape.total == 134_515_008
