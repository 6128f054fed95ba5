"""A model is known by its weights and its configuration, wherever it lies and whatever is computed in."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from pruning.engine.models.fingerprint import computed_fingerprint
from pruning.engine.models.load import exact_model, fingerprint, load
from pruning.model_files.number_formats import Formats
from tests.engine.models.conftest import configured
from tests.support.tiny import FAMILIES, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("home")


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
