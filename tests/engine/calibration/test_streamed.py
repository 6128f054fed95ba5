"""Statistics of a streamed model are those of the same model in memory, and go on where they were cut off."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch

from pruning.engine.calibration import fisher, fisher_io, streamed
from pruning.engine.calibration.factors import FisherFactors, Statistics, StatisticsIdentity
from pruning.engine.models.load import load
from pruning.errors import Cancelled
from tests.support.tiny import tiny_folder

WINDOWS = (torch.arange(6 * 64) * 7 % 370 + 3).reshape(6, 64)
IDENTITY = StatisticsIdentity("model", "text")


def _check_same(one: Statistics, other: Statistics) -> None:
    assert one.identity == other.identity
    assert one.tokens == other.tokens
    assert list(one.groups) == list(other.groups)
    for key, factors in other.groups.items():
        for field in fields(FisherFactors):
            expected, given = getattr(factors, field.name).float(), getattr(one.groups[key], field.name)
            error = 1e-4 * float(expected.abs().max()) if expected.numel() else 0.0
            torch.testing.assert_close(
                given.float(), expected, rtol=1e-4, atol=error, msg=f"{key} {field.name}"
            )


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "gpt2", "phi3"])
def test_factors_are_those_of_the_model_in_memory(family: str, tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "model", family))
    whole, layers = load(folder, stream="no"), load(folder, stream="yes")
    path = tmp_path / "statistics.safetensors"
    streamed.collect_to(path, layers.model, layers.groups, WINDOWS, IDENTITY)
    _check_same(fisher_io.load(path), fisher.collect(whole.model, whole.groups, WINDOWS, IDENTITY))
    assert not path.with_suffix(".partial").exists()


def test_what_was_cut_off_goes_on_from_the_layer_it_was_at(tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "model"))
    loaded, path = load(folder, stream="yes"), tmp_path / "statistics.safetensors"

    def stop(done: float, total: float, note: str = "", partial: object = None) -> None:
        if "back through layer 0" in note:
            raise Cancelled

    with pytest.raises(Cancelled):
        streamed.collect_to(path, loaded.model, loaded.groups, WINDOWS, IDENTITY, stop)
    kept = {each.name for each in path.with_suffix(".partial").glob("layer-*.safetensors")}
    assert kept == {"layer-1.safetensors", "layer-2.safetensors"}
    assert not path.exists()
    notes: list[str] = []
    streamed.collect_to(
        path, loaded.model, loaded.groups, WINDOWS, IDENTITY, lambda *said, **_: notes.append(str(said[2]))
    )
    assert {note.rpartition(" ")[2] for note in notes} == {"0"}
    whole = load(folder, stream="no")
    _check_same(fisher_io.load(path), fisher.collect(whole.model, whole.groups, WINDOWS, IDENTITY))
