#!/usr/bin/env bash
# A GGUF file that transformers unpacks of its own accord gives a plain model that may not be saved; asked for, it may.
#
# Package and version: transformers 5.23.0 (5.24.0 does the same), gguf 0.19.0, torch 2.13.0
# What was expected:   `from_pretrained(folder, gguf_file=...)` unpacks the whole model where there is no kernel for its
#                      blocks, or nothing in the file is quantized. The same weights come out as with
#                      `GgufConfig(dequantize=True)`, so the same should be possible with the model.
# What happens:        every parameter is equal, bit by bit, in float32 and in an ordinary Linear. But only the model
#                      that was asked for counts as unpacked. The other one keeps its quantizer: `save_pretrained` and
#                      `half` raise ValueError because the model is "quantized", and `dequantize`, which would be the
#                      way out, raises NotImplementedError. That is so even where all tensors of the file are F32.
# Why it matters when pruning: a GGUF file is often the only copy of a small model at hand. It can be loaded, pruned and
#                      measured for hours, and is refused when it shall be written. Ask for `dequantize=True`, or take
#                      `hf_quantizer` off the model.
# Seen on:             2026-11-28, Python 3.11, CPU, without the package `kernels`
#
# Output seen:
#   F32  by itself: 21 equal float32 parameters, is_quantized True
#   F32    save_pretrained: ValueError, half: ValueError, dequantize: NotImplementedError
#   F32  asked for: is_quantized False, saved, and loaded again with equal logits
#   Q8_0 by itself: 21 equal float32 parameters, is_quantized True
#   Q8_0   save_pretrained: ValueError, half: ValueError, dequantize: NotImplementedError
#   Q8_0 asked for: is_quantized False, saved, and loaded again with equal logits
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install=("$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${install[@]}" torch==2.13.0
"${install[@]}" transformers==5.23.0 tokenizers==0.23.3 huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6 \
  gguf==0.19.0 accelerate==1.15.0

HF_HUB_OFFLINE=1 "$place/venv/bin/python" - "$place" <<'PYTHON'
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, GgufConfig

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
VOCABULARY, HIDDEN, INNER, HEADS, GROUPS, LAYERS = 64, 32, 64, 4, 2, 2
WIDTH = HIDDEN // HEADS
IDS = torch.arange(3, 11).unsqueeze(0)


def write(path, kind):
    """A tiny Llama with random weights; its matrices are of the given kind, its norms F32."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_rope_dimension_count(WIDTH)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    shapes = {"token_embd": (VOCABULARY, HIDDEN), "output": (VOCABULARY, HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm": (HIDDEN,),
            f"blk.{layer}.attn_q": (HEADS * WIDTH, HIDDEN),
            f"blk.{layer}.attn_k": (GROUPS * WIDTH, HIDDEN),
            f"blk.{layer}.attn_v": (GROUPS * WIDTH, HIDDEN),
            f"blk.{layer}.attn_output": (HIDDEN, HEADS * WIDTH),
            f"blk.{layer}.ffn_norm": (HIDDEN,),
            f"blk.{layer}.ffn_gate": (INNER, HIDDEN),
            f"blk.{layer}.ffn_up": (INNER, HIDDEN),
            f"blk.{layer}.ffn_down": (HIDDEN, INNER),
        }
    for name, shape in shapes.items():
        values = random.standard_normal(shape).astype(np.float32)
        if len(shape) == 2:
            writer.add_tensor(f"{name}.weight", gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def raised(action):
    try:
        action()
    except (ValueError, NotImplementedError) as error:
        return type(error).__name__
    return "nothing raised"


for kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.Q8_0):
    folder = Path(sys.argv[1]) / kind.name
    folder.mkdir()
    write(folder / "tiny.gguf", kind)
    plain = AutoModelForCausalLM.from_pretrained(folder, gguf_file="tiny.gguf").eval()
    asked = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file="tiny.gguf", quantization_config=GgufConfig(dequantize=True)
    ).eval()
    expected = dict(asked.named_parameters())
    equal = [name for name, value in plain.named_parameters() if torch.equal(value, expected[name])]
    assert len(equal) == len(expected) == 21
    assert {value.dtype for value in plain.parameters()} == {torch.float32}
    assert type(plain.model.layers[0].mlp.up_proj) is torch.nn.Linear
    print(f"{kind.name:4} by itself: {len(equal)} equal float32 parameters, is_quantized {plain.is_quantized}")
    seen = {
        "save_pretrained": raised(lambda: plain.save_pretrained(folder / "plain")),
        "half": raised(plain.half),
        "dequantize": raised(plain.dequantize),
    }
    print(f"{kind.name:4}   " + ", ".join(f"{name}: {error}" for name, error in seen.items()))
    assert plain.is_quantized
    assert list(seen.values()) == ["ValueError", "ValueError", "NotImplementedError"]

    asked.save_pretrained(folder / "asked")
    again = AutoModelForCausalLM.from_pretrained(folder / "asked").eval()
    with torch.no_grad():
        same = torch.equal(again(IDS).logits, asked(IDS).logits) and torch.equal(again(IDS).logits, plain(IDS).logits)
    assert same and not asked.is_quantized
    print(f"{kind.name:4} asked for: is_quantized {asked.is_quantized}, saved, and loaded again with equal logits")
    del plain.hf_quantizer
    plain.save_pretrained(folder / "plain")
PYTHON
