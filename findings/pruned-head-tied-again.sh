#!/usr/bin/env bash
# A head pruned apart from its embedding survives saving and loading, and is gone after a resize to its own size.
#
# Package and version: transformers 5.23.0 (5.24.0 does the same), torch 2.13.0
# What was expected:   where `lm_head.weight` of a tied model was given values of its own, saving either writes a
#                      configuration that says so (`tie_word_embeddings` false) or refuses. And whatever reads the
#                      folder, or the state of the loaded model, finds one and the same model.
# What happens:        both tensors are written, and the configuration still says tied. Each door then opens on another
#                      model. `from_pretrained` believes the weights: apart, equal logits, and a warning.
#                      `resize_token_embeddings`, even to the size the model has, believes the configuration: the head
#                      is the embedding again, its zeros are gone, and nothing is said. `load_state_dict` into a model
#                      built from the same configuration believes it too, but there the head wins and the embedding
#                      is lost; with strict=True no key is missing and none is too many.
# Why it matters when pruning: the head is the biggest matrix of a small model, so it gets pruned or corrected by
#                      itself. A later step that adds a padding token undoes that, and a state loaded into a fresh model
#                      damages the embedding too. Set `config.tie_word_embeddings = False` together with the new weight.
# Seen on:             2026-11-28, Python 3.11, CPU
#
# Output seen:
#   head pruned apart:  logits off by 0, 50% zeros in the head, 0% in the embedding, tied False
#   saved:              both tensors, and tie_word_embeddings True
#   from_pretrained:    logits off by 0, 50% zeros in the head, 0% in the embedding, tied False
#   load_state_dict:    logits off by 4.3, 50% zeros in the head, 50% in the embedding, tied True
#   resized to 64:      logits off by 1.4, 0% zeros in the head, 0% in the embedding, tied True
#   flag set, resized:  logits off by 0, 50% zeros in the head, 0% in the embedding, tied False
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install=("$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${install[@]}" torch==2.13.0
"${install[@]}" transformers==5.23.0 tokenizers==0.23.3 huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6

HF_HUB_OFFLINE=1 "$place/venv/bin/python" - "$place" <<'PYTHON'
import logging
import sys
from pathlib import Path

import torch
import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM, LlamaConfig

transformers.logging.disable_progress_bar()
messages = []
listener = logging.Handler(logging.WARNING)
listener.emit = lambda record: messages.append(record.getMessage())
logger = transformers.logging.get_logger("transformers")
logger.addHandler(listener)
transformers.logging.disable_default_handler()
place = Path(sys.argv[1])
IDS = torch.arange(3, 15).unsqueeze(0)
VOCABULARY = 64


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


def zeros(module):
    return f"{float((module.weight == 0).float().mean()):.0%}"


def tied(model):
    return model.lm_head.weight is model.get_input_embeddings().weight


def show(door, model):
    off = float((logits(model) - expected).abs().max())
    parts = f"{zeros(model.lm_head)} zeros in the head, {zeros(model.get_input_embeddings())} in the embedding"
    print(f"{door + ':':19} logits off by {off:.2g}, {parts}, tied {tied(model)}")
    return off, zeros(model.lm_head), zeros(model.get_input_embeddings()), tied(model)


def about_ties():
    found = [text for text in messages if "tie" in text.lower()]
    messages.clear()
    return found


torch.manual_seed(0)
model = AutoModelForCausalLM.from_config(
    LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
)
assert tied(model)
weight = model.lm_head.weight.detach().clone()
weight[weight.abs() <= weight.abs().median()] = 0
model.lm_head.weight = torch.nn.Parameter(weight)
expected = logits(model)
assert show("head pruned apart", model) == (0, "50%", "0%", False)

messages.clear()
model.save_pretrained(place / "tied")
with safe_open(place / "tied" / "model.safetensors", "pt") as file:
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= set(file.keys())
assert LlamaConfig.from_pretrained(place / "tied").tie_word_embeddings
assert not about_ties()
print(f"{'saved:':19} both tensors, and tie_word_embeddings True")

loaded = AutoModelForCausalLM.from_pretrained(place / "tied")
assert show("from_pretrained", loaded) == (0, "50%", "0%", False)
assert len(about_ties()) == 1

fresh = AutoModelForCausalLM.from_config(loaded.config)
fresh.load_state_dict(loaded.state_dict(), strict=True)
off, *rest = show("load_state_dict", fresh)
assert off > 0.1 and rest == ["50%", "50%", True]

loaded.resize_token_embeddings(VOCABULARY)
off, *rest = show(f"resized to {VOCABULARY}", loaded)
assert off > 0.1 and rest == ["0%", "0%", True]
assert not about_ties()

model.config.tie_word_embeddings = False
model.save_pretrained(place / "untied")
kept = AutoModelForCausalLM.from_pretrained(place / "untied")
kept.resize_token_embeddings(VOCABULARY)
assert show("flag set, resized", kept) == (0, "50%", "0%", False)
PYTHON
