"""SentencePiece tokenizers in GGUF: llama.cpp makes the same tokens, or they are refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from pruning.engine.export.gguf.tokenizer import PROBE, ids_of
from pruning.engine.export.gguf.write import GgufFormat, bytes_beside
from pruning.engine.llamacpp.engine import llama_cpp, opened
from pruning.errors import PruningError
from tests.support import tiny
from tests.support.tiny import VOCABULARY, tiny_model

SPECIALS = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = (PROBE, "a", "hello  world", " def f(x):", "</s>x", "naïve\n\n  x")


def sentence_piece(prefix: bool) -> PreTrainedTokenizerFast:
    """A byte-pair encoding with bytes to fall back on: with `prefix` as Llama 2's, else as Gemma's."""
    inner = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    spaces: list[Any] = [normalizers.Replace(" ", "▁")]
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *spaces] if prefix else spaces)
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[*SPECIALS, *BYTES], show_progress=False, max_token_length=8
    )
    inner.train_from_iterator(Path(tiny.__file__).read_text(encoding="utf-8").splitlines(), trainer)
    parts = json.loads(inner.to_str())
    parts["added_tokens"] = [added for added in parts["added_tokens"] if added["content"] in SPECIALS]
    inner = Tokenizer.from_str(json.dumps(parts))
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **named)


def test_llama_cpp_makes_the_same_tokens(tmp_path: Path) -> None:
    with llama_cpp() as engine:
        for prefix in (True, False):
            tokenizer, path = sentence_piece(prefix), tmp_path / f"{prefix}.gguf"
            assert "<0xC3>" in tokenizer.convert_ids_to_tokens(ids_of(tokenizer, "naïve"))
            GgufFormat("f32").write_file(path, tiny_model("llama"), tokenizer, engine)
            with opened(engine, path, context=256) as file:
                assert [file.tokens(text) for text in TEXTS] == [ids_of(tokenizer, text) for text in TEXTS]


def test_unigram_is_refused_by_name() -> None:
    vocabulary = [(token, 0.0) for token in (*SPECIALS, *BYTES, "▁", "a", "b")]
    inner = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    with pytest.raises(PruningError, match=r"tokenizer \(Unigram\).*Export to hf instead"):
        bytes_beside(tiny_model("llama"), tokenizer)
