"""The compact form: every bit comes back, whatever the shards, and what is damaged is said to be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pruning.engine.export.compact import pack, unpack, write_compact
from pruning.engine.export.folder import Sample
from pruning.engine.export.model_card import UNPACK
from pruning.engine.export.weights import Pruned
from pruning.engine.models.compact import load_compact, read
from pruning.engine.models.load import load
from pruning.errors import PruningError
from pruning.model_files.checkpoint import safetensors_shapes
from pruning.model_files.number_formats import Formats
from pruning.model_files.preview import preview
from tests.support.tiny import FAMILIES, tiny_model

SAMPLE = Sample(torch.arange(3, 35).reshape(2, 16))


def pruned(family: str = "llama", share: float = 0.5, **changes: Any) -> Any:
    """A tiny model whose matrices but the embedding lack a share of their weights."""
    model: Any = tiny_model(family, **changes)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "emb" not in name and "wte" not in name and "wpe" not in name:
            weight.data[torch.rand(weight.shape, generator=generator) < share] = 0.0
    return model


def test_a_packed_tensor_is_what_was_written_by_hand(tmp_path: Path) -> None:
    weight = torch.tensor([[0.0, 1.5, 0.0, 0.0, 0.0], [0.0, 0.0, -0.0, 0.0, 2.0]])
    save_file({"w": weight, "b": torch.zeros(9), "full": torch.ones(3, 3)}, tmp_path / "model.safetensors")
    pack(tmp_path)
    [path] = tmp_path.iterdir()
    packed = load_file(path)
    # Elements 1, 7 and 9 are kept; -0.0 is a number with a bit of its own.
    assert packed["w.bitmask"].tolist() == [0b1000_0010, 0b0000_0010]
    assert packed["w.values"].tolist() == [1.5, -0.0, 2.0]
    assert packed["b"].shape == (9,), "vectors stay as they are"
    assert packed["full"].shape == (3, 3), "and what would not become smaller"
    assert safetensors_shapes(path) == {"w": (2, 5), "b": (9,), "full": (3, 3)}
    assert torch.equal(read(path)["w"].view(torch.int32), weight.view(torch.int32))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_family_comes_back_bit_for_bit(
    family: str, dtype: torch.dtype, llama_folder: Path, tmp_path: Path
) -> None:
    tokenizer, model = load(str(llama_folder)).tokenizer, pruned(family)
    formats = Formats(str(dtype).removeprefix("torch."))
    size = write_compact(Pruned(model, tokenizer, formats), tmp_path / "small", {}, SAMPLE)
    assert size < sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize
    again = load_compact(tmp_path / "small", dtype).state_dict()
    assert again.keys() == model.state_dict().keys()
    assert all(torch.equal(again[name], weight.to(dtype)) for name, weight in model.state_dict().items())


def test_prunescope_opens_and_previews_it(llama_folder: Path, tmp_path: Path) -> None:
    dense, model = load(str(llama_folder)), pruned()
    write_compact(Pruned(model, dense.tokenizer), tmp_path / "small", {}, SAMPLE)
    loaded, shown = load(str(tmp_path / "small")), preview(str(tmp_path / "small"))
    assert shown.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert shown.bytes_on_disk == (tmp_path / "small" / "compact.safetensors").stat().st_size
    assert torch.equal(
        loaded.model.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight
    )
    unpack(tmp_path / "small", tmp_path / "large")
    assert load(str(tmp_path / "large")).fingerprint == loaded.fingerprint


def sharded(folder: Path) -> Any:
    """A packed folder of several files."""
    model = pruned()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    pack(folder)
    assert sorted(path.name for path in folder.glob("model*")) == []
    return model


def test_shards_are_packed_and_unpacked_one_by_one(tmp_path: Path) -> None:
    model = sharded(tmp_path / "small")
    again = load_compact(tmp_path / "small", torch.float32).state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in model.state_dict().items())
    unpack(tmp_path / "small", tmp_path / "large")
    index = json.loads((tmp_path / "large" / "model.safetensors.index.json").read_text())
    assert {path.name for path in (tmp_path / "large").glob("*.safetensors")} == {
        *index["weight_map"].values()
    }
    (tmp_path / "small" / index["weight_map"]["lm_head.weight"].replace("model", "compact")).unlink()
    with pytest.raises(PruningError, match="lacks the weight file compact-"):
        unpack(tmp_path / "small", tmp_path / "other")


def test_the_script_of_the_model_card_unpacks(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = sharded(tmp_path / "small")
    subprocess.run([sys.executable, "-c", UNPACK], cwd=tmp_path / "small", check=True)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "small").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in model.state_dict().items())


def test_what_cannot_be_unpacked_is_explained_and_leaves_nothing(llama_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="ordinary model already"):
        unpack(llama_folder, tmp_path / "out")
    write_compact(Pruned(pruned(), load(str(llama_folder)).tokenizer), tmp_path / "small", {}, SAMPLE)
    (tmp_path / "there").mkdir()
    with pytest.raises(PruningError, match="exists already"):
        unpack(tmp_path / "small", tmp_path / "there")
    path = tmp_path / "small" / "compact.safetensors"
    tensors, shapes = load_file(path), {"model.layers.0.mlp.up_proj.weight": [64, 32]}
    tensors["model.layers.0.mlp.up_proj.weight.values"] = torch.ones(3)
    save_file(tensors, path, {"packed_shapes": json.dumps(shapes)})
    with pytest.raises(PruningError, match="do not fit together"):
        unpack(tmp_path / "small", tmp_path / "out")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(PruningError, match="damaged"):
        load(str(tmp_path / "small"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small", "there"]
