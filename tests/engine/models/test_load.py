"""Loading: every family, every source, and a clear message for everything that can be wrong."""

import json
import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM, PreTrainedModel

from pruning.engine.architecture.groups import find_groups
from pruning.engine.models import load as models
from pruning.engine.models.fingerprint import computed_fingerprint
from pruning.engine.models.load import choose_device, exact_model, fingerprint, load
from pruning.errors import Cancelled, PruningError
from pruning.model_files import hub
from pruning.model_files.checkpoint import cache_folder
from pruning.model_files.number_formats import Formats
from tests.support.fake_hub import fake_hub, run_with_hub
from tests.support.tiny import FAMILIES, tiny_folder, tiny_gguf, tiny_model, tiny_tokenizer

IDS = torch.arange(3, 23).unsqueeze(0)
REFUSED = """
from pruning.errors import PruningError
try:
    {call}
except PruningError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    """A tiny Llama on disk that the test may damage."""
    return Path(shutil.copytree(llama_folder, tmp_path / "model"))


def configured(folder: Path, **changes: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


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


# Fingerprints


def test_fingerprint_follows_every_weight_and_the_configuration(llama: PreTrainedModel) -> None:
    first = fingerprint(llama)
    assert len(first) == 16
    for parameter in llama.parameters():
        before = parameter.flatten()[-1].clone()
        parameter.view(-1)[-1] = torch.nextafter(before, torch.tensor(9e9))
        assert fingerprint(llama) != first
        parameter.view(-1)[-1] = before
    assert fingerprint(llama) == first
    llama.config.rms_norm_eps *= 2
    assert fingerprint(llama) != first


# By family the fingerprint of its tiny model. Those of float32 checkpoints stay what they were, so that
# recipes and results of older versions are found.
PINNED = {
    "llama": "975aa8ea507133fc",
    "mistral": "1748ead064be3e24",
    "qwen2": "d0a6bacbc451d323",
    "qwen3": "90887c59e854fa5a",
    "gemma2": "6347a5920104102f",
    "gemma3": "4eda2ac6ced6e0f9",
    "phi3": "18c95237b111a2e0",
    "gpt2": "0285c5616f427dd0",
    "opt": "1da69d51ed2cb04a",
    "gpt_neox": "d147bed5f40d5f52",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_fingerprints_stay_what_they_were(family: str) -> None:
    assert fingerprint(tiny_model(family)) == computed_fingerprint(tiny_model(family)) == PINNED[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_has_one_fingerprint_whatever_is_computed_in(family: str, tmp_path: Path) -> None:
    folder = tmp_path / "narrow"
    tiny_model(family).to(torch.bfloat16).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    wide, narrow = (load(str(folder), dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert wide.formats == narrow.formats == Formats("bfloat16")
    assert wide.fingerprint == narrow.fingerprint == wide.computed == fingerprint(wide.model)
    assert narrow.computed == computed_fingerprint(narrow.model) != narrow.fingerprint
    assert exact_model(wide) is None
    assert exact_model(narrow) is None


def test_the_exact_weights_are_found_again(llama_folder: Path) -> None:
    narrow = load(str(llama_folder), dtype="float16")
    exact = exact_model(narrow)
    assert fingerprint(exact) == narrow.fingerprint == load(str(llama_folder)).fingerprint
    assert fingerprint(narrow.model) != narrow.fingerprint


def test_weights_of_other_formats_among_them_are_known(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = "model.norm.weight"
    narrow = {name: w if name == kept else w.to(torch.bfloat16) for name, w in weights.items()}
    save_file(narrow, folder / "model.safetensors", {"format": "pt"})
    formats = load(str(folder)).formats
    assert formats == Formats("bfloat16", {kept: "float32"})
    assert (formats.of(kept), formats.of("lm_head.weight")) == ("float32", "bfloat16")
    assert not formats.fit("bfloat16")
    assert load(str(folder)).fingerprint == load(str(folder), dtype="bfloat16").fingerprint


def test_fingerprint_does_not_depend_on_where_the_model_lies(folder: Path, llama_folder: Path) -> None:
    assert load(str(folder)).fingerprint == load(str(llama_folder)).fingerprint
    configured(folder, transformers_version="4.0.0", use_cache=False)
    assert load(str(folder)).fingerprint == load(str(llama_folder)).fingerprint


def test_fingerprint_sees_tied_and_transposed_weights() -> None:
    model = tiny_model("gpt2")
    first = fingerprint(model)
    model.lm_head.weight[5, 5] += 1
    assert fingerprint(model) != first
    model = tiny_model("gpt2", dtype=torch.bfloat16).to(torch.bfloat16)
    assert fingerprint(model) != first
    assert fingerprint(model) == fingerprint(model)


# Folders


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


# GGUF


def test_a_gguf_file_becomes_the_same_model(tmp_path: Path) -> None:
    loaded = load(str(tiny_gguf(tmp_path / "tiny.gguf")))
    assert torch.equal(loaded.model(IDS).logits, tiny_model("llama", tie_word_embeddings=True)(IDS).logits)
    loaded.model.save_pretrained(tmp_path / "again")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "again").config.model_type == "llama"
    assert loaded.path is not None
    assert Path(loaded.path).is_relative_to(cache_folder())


def test_the_tokenizer_of_a_gguf_file_is_kept(tmp_path: Path) -> None:
    tokenizer = load(str(tiny_gguf(tmp_path / "tiny.gguf"))).tokenizer
    for text in ("def tiny_model(family):\n\n    return  1", "Größe, \t don't 12345 x", "a  12", "\n\n1."):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer("a tiny model")["input_ids"] == tiny_tokenizer()("a tiny model")["input_ids"]
    # "smollm" splits digits off first, so that two spaces before one stay together.
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"


def test_a_gguf_file_is_converted_once_and_again_when_it_changes(tmp_path: Path) -> None:
    notes: list[str] = []
    file = tiny_gguf(tmp_path / "tiny.gguf")
    first = load(str(file), progress=lambda done, total, note="", partial=None: notes.append(note))
    assert any("Unpacking" in note for note in notes)
    notes.clear()
    again = load(str(file), progress=lambda done, total, note="", partial=None: notes.append(note))
    assert not any("Unpacking" in note for note in notes)
    assert again.fingerprint == first.fingerprint
    file.unlink()
    assert load(str(tiny_gguf(file, seed=1))).fingerprint != first.fingerprint


def test_a_cancelled_conversion_leaves_nothing(tmp_path: Path) -> None:
    def cancel(done: float, total: float, note: str = "", partial: dict | None = None) -> None:
        if "Writing the tokenizer" in note:
            raise Cancelled

    file = tiny_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(Cancelled):
        load(str(file), progress=cancel)
    assert [path for path in (cache_folder() / "gguf").iterdir() if path.suffix != ".lock"] == []
    assert load(str(file)).groups


@pytest.mark.parametrize("keep", [0, 3, 20, 3000, -100])
def test_truncated_gguf_files_are_refused(tmp_path: Path, keep: int) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(PruningError, match=r"tiny\.gguf is damaged or cut short"):
        load(str(file))


def test_a_file_that_only_looks_like_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"\xff" * 5000)
    with pytest.raises(PruningError, match="does not begin like a GGUF file"):
        load(str(tmp_path / "tiny.gguf"))


def test_a_gguf_file_of_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    file.write_bytes(file.read_bytes().replace(b"llama", b"lizma"))
    with pytest.raises(PruningError, match=r"architecture lizma\) cannot be converted"):
        load(str(file))


# Hub


def test_a_hub_model_is_fetched_and_then_found_without_the_hub(llama_folder: Path, tmp_path: Path) -> None:
    code = "from pruning.engine.models.load import load; print(load('owner/tiny', device='cpu').fingerprint)"
    expected = load(str(llama_folder)).fingerprint
    with fake_hub({"owner/tiny": llama_folder}) as endpoint:
        assert run_with_hub(code, endpoint, tmp_path) == expected
    assert run_with_hub(code, endpoint, tmp_path, HF_HUB_OFFLINE="1") == expected


def test_hub_failures_are_told_apart(llama_folder: Path, folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    describe = REFUSED.format(call="from pruning.model_files import hub; hub.describe('owner/tiny')")
    fetch = REFUSED.format(call="from pruning.model_files import hub; hub.fetch(hub.describe('owner/tiny'))")
    with fake_hub({}) as endpoint:
        assert "no such model on the hub" in run_with_hub(describe, endpoint, tmp_path)
    assert "The hub could not be reached" in run_with_hub(describe, endpoint, tmp_path)
    assert "HF_HUB_OFFLINE is set" in run_with_hub(describe, endpoint, tmp_path, HF_HUB_OFFLINE="1")
    with fake_hub({"owner/tiny": llama_folder}, broken="model.safetensors") as endpoint:
        answer = run_with_hub(fetch, endpoint, tmp_path)
        assert "model.safetensors of owner/tiny could not be fetched" in answer
    with fake_hub({"owner/tiny": folder}) as endpoint:
        assert "allow_pickle=True" in run_with_hub(fetch, endpoint, tmp_path)


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    code = REFUSED.format(
        call="from pruning.model_files import hub; hub.PATIENCE = 0.5; hub.describe('owner/tiny')"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "The hub could not be reached" in run_with_hub(code, endpoint, tmp_path)


def test_fetching_reports_bytes_and_can_be_cancelled(llama_folder: Path, tmp_path: Path) -> None:
    code = """
from pruning.model_files import hub
from pruning.errors import Cancelled
seen = []
def note_down(done, total, note="", partial=None):
    seen.append((done, total))
hub.fetch(hub.describe("owner/tiny"), progress=note_down)
def cancel(done, total, note="", partial=None):
    raise Cancelled
try:
    hub.fetch(hub.describe("owner/other"), progress=cancel)
except Cancelled:
    print(seen == sorted(seen), seen[-1][0] == seen[-1][1], hub.cached("owner/other"))
"""
    with fake_hub({"owner/tiny": llama_folder, "owner/other": llama_folder}) as endpoint:
        assert run_with_hub(code, endpoint, tmp_path) == "True True None"


def test_an_unreachable_hub_falls_back_to_what_is_cached(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(name: str) -> hub.HubModel:
        raise PruningError("The hub could not be reached")

    monkeypatch.setattr(models.hub, "describe", unreachable)
    monkeypatch.setattr(models.hub, "cached", lambda name: llama_folder)
    assert load("owner/tiny").reference == "owner/tiny"
    monkeypatch.setattr(models.hub, "cached", lambda name: None)
    with pytest.raises(PruningError, match="could not be reached"):
        load("owner/tiny")
