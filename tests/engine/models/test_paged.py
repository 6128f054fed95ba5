"""A checkpoint's own number format, and its shards, are read as they are."""

from pathlib import Path

import pytest
import torch

from pruning.engine.architecture.forward import run
from pruning.engine.architecture.paging import tensor_of
from pruning.engine.models import paged
from pruning.engine.models.load import exact_model, load
from pruning.errors import PruningError
from tests.support.tiny import tiny_model, tiny_tokenizer

WINDOWS = (torch.arange(2 * 24) * 7 % 370 + 3).reshape(2, 24)


def _folder(path: Path, tied: bool) -> str:
    model = tiny_model("llama", tie_word_embeddings=tied).to(torch.bfloat16)
    model.save_pretrained(path, max_shard_size="20KB")
    tiny_tokenizer().save_pretrained(path)
    assert len(list(path.glob("model-*.safetensors"))) > 1
    return str(path)


@pytest.mark.parametrize("tied", [True, False])
def test_tables_stay_in_the_checkpoints_format(
    tied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paged, "SMALL", 1000)
    folder = _folder(tmp_path / "model", tied)
    whole, streamed = load(folder, stream="no"), load(folder, stream="yes")
    embedding = streamed.model.get_input_embeddings().weight
    assert embedding.dtype == torch.bfloat16
    assert (streamed.model.get_output_embeddings().weight is embedding) is tied
    assert tensor_of(streamed.model, streamed.groups[0].parts[0].module + ".weight").dtype == torch.float32
    assert torch.equal(run(streamed.model, WINDOWS), run(whole.model, WINDOWS))
    torch.testing.assert_close(streamed.model(WINDOWS).logits, whole.model(WINDOWS).logits)
    assert (streamed.fingerprint, streamed.computed) == (whole.fingerprint, whole.computed)


def test_computing_in_bfloat16_is_streamed_too(tmp_path: Path) -> None:
    model = tiny_model("llama")
    model.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    whole, streamed = (load(str(tmp_path / "model"), "bfloat16", stream=each) for each in ("no", "yes"))
    assert (streamed.fingerprint, streamed.computed) == (whole.fingerprint, whole.computed)
    assert torch.equal(run(streamed.model, WINDOWS), run(whole.model, WINDOWS))
    exact = exact_model(streamed)
    name = streamed.groups[0].parts[0].module + ".weight"
    assert torch.equal(tensor_of(exact, name), model.get_parameter(name).detach())


def test_a_checkpoint_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = tiny_model("llama")
    model.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(PruningError, match="does not hold model.layers.1.mlp.up_proj.weight"):
        load(str(tmp_path / "model"), stream="yes")
