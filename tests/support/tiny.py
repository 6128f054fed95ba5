"""Tiny random models, one for each family that is covered, and a tiny tokenizer; no network."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, VOCABULARY, POSITIONS = 32, 64, 3, 4, 2, 384, 512
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": POSITIONS,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    # Wider than the usual 0.02: with tiny sizes the layers would hardly change what passes through them.
    "initializer_range": 0.15,
}
_GATED: dict[str, Any] = {**_COMMON, "intermediate_size": INNER, "num_key_value_heads": KV_HEADS}
_HEAD_DIM: dict[str, Any] = {**_GATED, "head_dim": HIDDEN // HEADS}
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _GATED),
    "mistral": ("MistralConfig", _HEAD_DIM),
    "qwen2": ("Qwen2Config", _GATED),
    "qwen3": ("Qwen3Config", _HEAD_DIM),
    "gemma2": ("Gemma2Config", {**_HEAD_DIM, "query_pre_attn_scalar": HIDDEN // HEADS}),
    "gemma3": ("Gemma3TextConfig", {**_HEAD_DIM, "query_pre_attn_scalar": HIDDEN // HEADS}),
    "phi3": ("Phi3Config", _GATED),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": VOCABULARY,
            "initializer_range": 0.15,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "n_embd": HIDDEN,
            "n_layer": LAYERS,
            "n_head": HEADS,
            "n_positions": POSITIONS,
            "n_inner": INNER,
        },
    ),
    "opt": (
        "OPTConfig",
        {
            **{key: value for key, value in _COMMON.items() if key != "initializer_range"},
            "init_std": 0.15,
            "ffn_dim": INNER,
            "word_embed_proj_dim": HIDDEN,
            "dropout": 0.0,
        },
    ),
    "gpt_neox": ("GPTNeoXConfig", {**_COMMON, "intermediate_size": INNER}),
}
FAMILIES = tuple(_CONFIGS)
SPECIALS = ["<pad>", "<s>", "</s>"]


def tiny_model(family: str = "llama", seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random model of `family` on the CPU in float32, in eval mode; `changes` go into its configuration."""
    name, settings = _CONFIGS[family]
    config = getattr(transformers, name)(**{**settings, **changes})
    state = torch.get_rng_state()
    try:
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_rng_state(state)
    return model.eval().requires_grad_(False)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of `VOCABULARY` tokens, learnt from the text of this file."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([Path(__file__).read_text(encoding="utf-8")], trainer)
    named = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=POSITIONS, **named)


def tiny_folder(path: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Write `tiny_model` and `tiny_tokenizer` into the folder `path`, and return it."""
    tiny_model(family, seed, **changes).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def tiny_gguf(path: Path, seed: int = 0) -> Path:
    """Write the tiny Llama and the tiny tokenizer as a GGUF file in float32, and return its path."""
    model = tiny_model("llama", seed, tie_word_embeddings=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCABULARY)
    _write_tokenizer(writer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, LAYERS)
    for name, tensor in model.named_parameters():
        values = tensor.numpy()
        if "q_proj" in name or "k_proj" in name:
            values = _interleaved(values, HEADS if "q_proj" in name else KV_HEADS)
        writer.add_tensor(f"{names.get_name(name.removesuffix('.weight'))}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _interleaved(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of GGUF: the two halves that rotary embedding pairs, side by side."""
    halves = values.reshape(heads, 2, -1, values.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _write_tokenizer(writer: gguf.GGUFWriter) -> None:
    model = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIALS else normal for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
