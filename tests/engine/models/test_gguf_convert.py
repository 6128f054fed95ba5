"""GGUF files are converted once, whole, and give the same model."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from pruning.engine.models.load import load
from pruning.errors import Cancelled, PruningError
from pruning.model_files.checkpoint import cache_folder
from tests.support.tiny import tiny_gguf, tiny_model, tiny_tokenizer

IDS = torch.arange(3, 23).unsqueeze(0)
pytestmark = pytest.mark.usefixtures("home")


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
