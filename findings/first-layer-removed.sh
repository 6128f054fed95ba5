#!/usr/bin/env bash
# Without its first layer a model loses its place when it reads on from a cache; without any other layer it does not.
#
# Package and version: transformers 5.23.0 (5.24.0 does the same), torch 2.13.0
# What was expected:   `del model.model.layers[k]` leaves a model that answers alike with and without a key-value cache,
#                      or that is refused, whichever layer went.
# What happens:        the cache still has a place for every layer of the configuration, and the layers that stay keep
#                      the place that their `layer_idx` names. The number of tokens read so far is asked of place 0
#                      alone. Where layer 0 is the one that went, nothing was ever put there: after twelve tokens the
#                      cache says 0, the next token gets position 0 instead of 12, and its logits are other ones.
#                      Nothing is raised and nothing is said. `generate` is right all the same, so a look at a
#                      generated text does not show it. With `num_hidden_layers` brought up to date, which
#                      looks like the careful thing to do, all layers but the last end in an IndexError instead.
# Why it matters when pruning: loops that remove one layer after the other and measure each with a cache (speed, answers
#                      read off after a shared question) blame layer 0 for more than it did. Renumber `layer_idx`.
# Seen on:             2026-11-28, Python 3.11, CPU
#
# Output seen (the same for qwen3, with 5.8 for 5.7):
#   llama layer 0 removed: cache says 0 of 12 tokens, next logits off by 5.7, generate off by 5.5e-06
#   llama layer 0 removed, configuration says 3 layers: IndexError
#   llama layer 1 removed: cache says 12 of 12 tokens, next logits off by 3.1e-06, generate off by 1.2e-05
#   llama layer 1 removed, configuration says 3 layers: IndexError
#   llama layer 2 removed: cache says 12 of 12 tokens, next logits off by 1.9e-06, generate off by 6.4e-06
#   llama layer 2 removed, configuration says 3 layers: IndexError
#   llama layer 3 removed: cache says 12 of 12 tokens, next logits off by 3.8e-06, generate off by 1e-05
#   llama layer 3 removed, configuration says 3 layers: runs
#   llama: numbered anew, all four agree with themselves
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install=("$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${install[@]}" torch==2.13.0
"${install[@]}" transformers==5.23.0 tokenizers==0.23.3 huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6

HF_HUB_OFFLINE=1 "$place/venv/bin/python" - <<'PYTHON'
import torch
import transformers
from transformers import AutoModelForCausalLM

transformers.logging.set_verbosity_error()
LAYERS, SEEN = 4, 12
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,  # far from 0, so that positions matter
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES = {"llama": transformers.LlamaConfig, "qwen3": transformers.Qwen3Config}


def without(family, layer):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(FAMILIES[family](**SMALL)).eval()
    del model.model.layers[layer]
    return model, torch.randint(3, 64, (1, SEEN + 1))


def read_on(model, ids):
    """How far the logits of the last token are off when all before it come from the cache; what the cache says."""
    read = model(ids[:, :SEEN], use_cache=True)
    length = read.past_key_values.get_seq_length()
    cached = model(ids[:, SEEN:], past_key_values=read.past_key_values, use_cache=True).logits[:, -1]
    whole = model(ids, use_cache=False).logits[:, -1]
    return length, float((cached - whole).abs().max())


def generated(model, ids):
    """How far the logits of eight generated tokens are off."""
    asked = dict(max_new_tokens=8, min_new_tokens=8, do_sample=False, return_dict_in_generate=True, output_logits=True)
    cached, whole = (torch.stack(model.generate(ids, use_cache=use, **asked).logits) for use in (True, False))
    return float((cached - whole).abs().max())


with torch.no_grad():
    for family in FAMILIES:
        for layer in range(LAYERS):
            model, ids = without(family, layer)
            length, off = read_on(model, ids)
            by_generate = generated(model, ids)
            print(
                f"{family} layer {layer} removed: cache says {length} of {SEEN} tokens, "
                f"next logits off by {off:.2g}, generate off by {by_generate:.2g}"
            )
            assert by_generate < 1e-3
            assert (length, off > 0.1) == ((0, True) if layer == 0 else (SEEN, False)), "no longer so"

            model.config.num_hidden_layers = LAYERS - 1
            try:
                read_on(model, ids)
                raised = None
            except IndexError as error:
                raised = type(error).__name__
            print(f"{family} layer {layer} removed, configuration says {LAYERS - 1} layers: {raised or 'runs'}")
            assert raised == (None if layer == LAYERS - 1 else "IndexError")

            for index, module in enumerate(model.model.layers):
                module.self_attn.layer_idx = index
            length, off = read_on(model, ids)
            assert length == SEEN and off < 1e-3, "numbering the layers anew no longer helps"
        print(f"{family}: numbered anew, all four agree with themselves")
PYTHON
