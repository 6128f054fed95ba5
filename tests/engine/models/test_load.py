"""Loading: every family, and a clear message for everything that can be wrong in a folder."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from pruning.engine.architecture.groups import find_groups
from pruning.engine.models.load import choose_device, load
from pruning.errors import PruningError
from tests.engine.models.conftest import configured
from tests.support.tiny import FAMILIES, tiny_folder, tiny_gguf, tiny_model, tiny_tokenizer

IDS = torch.arange(3, 23).unsqueeze(0)
pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_of_each_family_loads_the_same(family: str, tmp_path: Path) -> None:
    model = tiny_model(family)
    loaded = load(str(tiny_folder(tmp_path / family, family)), device="cpu")
    assert torch.equal(loaded.model(IDS).logits, model(IDS).logits)
    assert loaded.groups == find_groups(model)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert (loaded.path, loaded.device, loaded.dtype) == (str(tmp_path / family), "cpu", "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_are_loaded_in_the_dtype_asked_for(llama_folder: Path, dtype: str) -> None:
    loaded = load(str(llama_folder), dtype=dtype, device="cpu")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {getattr(torch, dtype)}
    dense = load(str(llama_folder), device="cpu")
    assert loaded.fingerprint == dense.fingerprint == dense.computed, "the checkpoint is the same"
    assert loaded.computed != dense.computed, "what is computed with it is not"


def test_an_unknown_dtype_or_device_is_refused(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    for device, message in (
        ("cuda", "There is no cuda device on this machine; there is cpu"),
        ("tpu", "not a device"),
    ):
        with pytest.raises(PruningError, match=message):
            load(str(llama_folder), device=device)
    with pytest.raises(PruningError, match='"int8" is not a dtype'):
        load(str(llama_folder), dtype="int8")


def test_a_path_that_is_not_there_is_named() -> None:
    for reference in ("./no-such-folder", "/no/such/folder", "model.gguf", "~/no-such-folder"):
        with pytest.raises(PruningError, match=f"There is no model at {reference}"):
            load(reference)
    for reference in ("", "two words", "a/b/c", "../../etc/passwd/x y", "owner/", "-x"):
        with pytest.raises(PruningError):
            load(reference)


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PruningError, match=r"notes.txt is not a model"):
        load(str(tmp_path / "notes.txt"))


def test_a_folder_without_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(PruningError, match=r"config.json cannot be read"):
        load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(PruningError, match=r"has no config.json"):
        load(str(folder))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(PruningError, match="holds an adapter"):
        load(str(folder))


def test_a_folder_with_one_gguf_file_is_that_file(tmp_path: Path) -> None:
    path = tiny_gguf(tmp_path / "tiny.gguf")
    assert load(str(tmp_path)).fingerprint == load(str(path)).fingerprint
    path.with_name("other.gguf").write_bytes(path.read_bytes())
    with pytest.raises(PruningError, match=r"Give the GGUF file itself: .*other\.gguf"):
        load(str(tmp_path))


def test_a_folder_without_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PruningError, match="has no tokenizer"):
        load(str(folder))


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(PruningError, match="The tokenizer in .* cannot be loaded"):
        load(str(folder))


@pytest.mark.parametrize("keep", [0, 5, 200, -1000])
def test_truncated_safetensors_are_refused(folder: Path, keep: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(PruningError, match=r"model.safetensors is damaged or cut short"):
        load(str(folder))


def test_a_damaged_safetensors_header_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[8:40] = b"x" * 32
    file.write_bytes(content)
    with pytest.raises(PruningError, match=r"model.safetensors is damaged"):
        load(str(folder))


def test_missing_shards_and_missing_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PruningError, match=r"lacks 1 of the model's weights, model\.layers\.1\.mlp\.up_proj"):
        load(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(PruningError, match="has no weights"):
        load(str(folder))
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PruningError, match="lacks the weight file model-00001-of-00002"):
        load(str(folder))


def test_an_index_cannot_name_files_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"a": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PruningError, match="lacks the weight file"):
        load(str(folder))


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    configured(folder, intermediate_size=48)
    with pytest.raises(PruningError, match="cannot be loaded"):
        load(str(folder))


def test_a_sharded_model_loads(tmp_path: Path) -> None:
    model = tiny_model("llama")
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    tiny_tokenizer().save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert torch.equal(load(str(tmp_path)).model(IDS).logits, model(IDS).logits)


def test_models_that_do_not_continue_text_are_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(PruningError, match="is a BertForMaskedLM, not a causal language model"):
        load(str(tmp_path))


def test_quantized_weights_are_refused(folder: Path) -> None:
    configured(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(PruningError, match=r"quantized \(gptq\)"):
        load(str(folder))


def test_pickled_weights_need_a_yes(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(PruningError, match="allow_pickle=True"):
        load(str(folder))
    loaded = load(str(folder), allow_pickle=True)
    assert torch.equal(loaded.model(IDS).logits, tiny_model("llama")(IDS).logits)


def test_an_unknown_kind_of_model_is_named(folder: Path) -> None:
    with pytest.raises(PruningError, match='of the type "brand_new", which this version of transformers'):
        load(str(configured(folder, model_type="brand_new")))


def test_code_of_a_model_runs_only_when_trusted(folder: Path) -> None:
    marker = folder / "it-ran"
    (folder / "own.py").write_text(
        f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own_kind'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    configured(folder, model_type="own_kind", architectures=["OwnModel"], auto_map=auto_map)
    with pytest.raises(PruningError, match="trust_remote_code=True"):
        load(str(folder))
    assert not marker.exists()
    loaded = load(str(folder), trust_remote_code=True)
    assert marker.exists()
    assert torch.equal(loaded.model(IDS).logits, tiny_model("llama")(IDS).logits)
