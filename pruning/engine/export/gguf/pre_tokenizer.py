"""Which of llama.cpp's ways to split text is a model's: tried in llama.cpp, on a file of little else."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from pruning.engine.export.gguf.tokenizer import PRE_TOKENIZERS, PROBE, add_tokenizer, ids_of, kind_of
from pruning.engine.llamacpp.engine import LlamaCpp, opened
from pruning.errors import PruningError

_WIDTH = 32


def choose(engine: LlamaCpp, tokenizer: Any, scratch: Path) -> str:
    """The name under which llama.cpp makes the same tokens of a text full of what tokenizers differ in.

    Raises PruningError where it has none. `scratch` is a folder for files that are gone in the end.
    """
    if kind_of(tokenizer) != "gpt2":
        return "default"
    expected = ids_of(tokenizer, PROBE)
    for name in sorted(PRE_TOKENIZERS, key=_guessed(tokenizer).__ne__):
        path = scratch / "tokenizer.gguf"
        _write_tokenizer_alone(path, tokenizer, name)
        try:
            with opened(engine, path, context=256) as file:
                if file.tokens(PROBE) == expected:
                    return name
        finally:
            path.unlink()
    raise PruningError(
        "llama.cpp splits text into other tokens than this model's tokenizer, by every rule that it knows: "
        "the model would read text it was not trained on. Export to hf instead."
    )


def _guessed(tokenizer: Any) -> str:
    """What the rules of the tokenizer look like."""
    rules = tokenizer.backend_tokenizer.to_str().partition('"pre_tokenizer"')[2].partition('"model"')[0]
    if '"Digits"' in rules:
        return "smollm"
    if "{1,3}" in rules:
        return "llama-bpe"
    return "qwen2" if r"\\p{N}" in rules else "gpt-2"


def _write_tokenizer_alone(path: Path, tokenizer: Any, name: str) -> None:
    """The smallest model that llama.cpp loads, with the tokenizer."""
    vocabulary = max(tokenizer.get_vocab().values()) + 1
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    add_tokenizer(writer, tokenizer, vocabulary, name)
    square = np.zeros((_WIDTH, _WIDTH), np.float32)
    writer.add_tensor("token_embd.weight", np.zeros((vocabulary, _WIDTH), np.float16))
    writer.add_tensor("output_norm.weight", square[0])
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", square)
    for part in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{part}.weight", square[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
