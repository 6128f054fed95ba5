"""Models whose layers stay in files compute what they do in memory, and hold one layer at a time."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.groups import decoder_layers, group_weight, weight_shape
from pruning.engine.architecture.paging import paged_of, tensor_of, tensors_of
from pruning.engine.masking.change import WeightChange, applied_change, put_back, put_weight
from pruning.engine.models.fingerprint import fingerprint
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from tests.support.tiny import FAMILIES, tiny_folder

WINDOWS = (torch.arange(2 * 24) * 7 % 370 + 3).reshape(2, 24)


def _layers_in_memory(model: Any) -> list[int]:
    layers = [layer for _, layer in decoder_layers(model)]
    return [n for n, layer in enumerate(layers) if not any(p.is_meta for p in layer.parameters())]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_streamed_model_is_the_same_model(family: str, tmp_path: Path) -> None:
    folder = str(tiny_folder(tmp_path / "model", family))
    whole, streamed = load(folder, stream="no"), load(folder, stream="yes")
    assert not whole.streamed
    assert streamed.streamed
    assert (streamed.fingerprint, streamed.computed) == (whole.fingerprint, whole.computed)
    assert streamed.groups == whole.groups
    assert torch.equal(run(streamed.model, WINDOWS), run(whole.model, WINDOWS))
    assert len(_layers_in_memory(streamed.model)) == 1
    for name, read in tensors_of(streamed.model).items():
        assert torch.equal(read(), tensor_of(whole.model, name)), name
    assert [weight_shape(streamed.model, part) for group in streamed.groups for part in group.parts] == [
        weight_shape(whole.model, part) for group in whole.groups for part in group.parts
    ]


@pytest.fixture
def streamed(tmp_path: Path) -> Loaded:
    return load(str(tiny_folder(tmp_path / "model")), stream="yes")


def test_what_is_written_stays_when_the_layer_goes_and_is_taken_back_bit_for_bit(streamed: Loaded) -> None:
    model, first, last = streamed.model, streamed.groups[0], streamed.groups[-1]
    before, dense = fingerprint(model), group_weight(model, first)
    saved = put_weight(model, first, dense + 1)
    group_weight(model, last)  # its layer comes, the other goes
    assert _layers_in_memory(model) == [last.layer]
    assert torch.equal(group_weight(model, first), dense + 1)
    saved += put_weight(model, first, dense + 2)
    assert torch.equal(group_weight(model, first), dense + 2)
    put_back(saved)
    assert torch.equal(group_weight(model, first), dense)
    assert fingerprint(model) == before


def test_a_change_is_undone_when_the_body_raises_and_leaves_no_files(streamed: Loaded) -> None:
    model, before, paged = streamed.model, fingerprint(streamed.model), paged_of(streamed.model)
    assert paged is not None
    zeros = {g.key: torch.ones_like(group_weight(model, g), dtype=torch.bool) for g in streamed.groups}
    with suppress(KeyError), applied_change(model, streamed.groups, WeightChange(zeros)):
        assert fingerprint(model) != before
        assert list(paged.scratch.iterdir())
        raise KeyError
    assert fingerprint(model) == before
    assert not list(paged.scratch.iterdir())


def test_biases_of_layers_that_go_are_undone_too(tmp_path: Path) -> None:
    loaded = load(str(tiny_folder(tmp_path / "model", "gpt2")), stream="yes")
    before, name = fingerprint(loaded.model), "transformer.h.1.attn.c_proj"
    with applied_change(loaded.model, loaded.groups, WeightChange({}, biases=(name,))):
        group_weight(loaded.model, loaded.groups[-1])
        assert not tensor_of(loaded.model, f"{name}.bias").any()
    assert fingerprint(loaded.model) == before


def test_files_that_were_removed_are_still_read_and_the_scratch_goes_with_the_model(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    loaded = load(str(folder), stream="yes")
    expected, paged = run(loaded.model, WINDOWS), paged_of(loaded.model)
    assert paged is not None
    shutil.rmtree(folder)
    assert torch.equal(run(loaded.model, WINDOWS), expected)
    scratch = paged.scratch
    assert scratch.is_dir()
    del loaded, paged
    import gc

    gc.collect()
    assert not scratch.exists()


def test_what_cannot_be_read_by_layers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    whole = load(str(folder), stream="no")
    (folder / "model.safetensors").unlink()
    torch.save(whole.model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(PruningError, match="pickled and cannot be read layer by layer.*--stream no"):
        load(str(folder), stream="yes", allow_pickle=True)
    with pytest.raises(PruningError, match="not a way to load"):
        load(str(folder), stream="perhaps", allow_pickle=True)
