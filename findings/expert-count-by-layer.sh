#!/usr/bin/env bash
# A number of experts given for one layer is taken, written to config.json, and built nowhere.
#
# Package and version: transformers 5.23.0 (5.24.0 does the same), torch 2.13.0
# What was expected:   `per_layer_config={1: {"num_experts": 2}}` is a promise about layer 1. transformers builds
#                      these families with one width for all layers, and says so: a layer's own
#                      `moe_intermediate_size` ends in AmbiguousGlobalPerLayerAttributeError when the model is built.
#                      A layer's own number of experts should end the same way, under each name a family has for it.
# What happens:        it depends on which of the two names was used. `num_experts` and `num_local_experts` are one
#                      attribute, one name being an alias of the other in the configuration's `attribute_map`. The check
#                      compares the name that was written with the name that is stored, so the alias is never noticed:
#                      the layer's configuration says 2 experts, the layer has 4, and no message is given. In
#                      Qwen3-MoE and Mixtral the alias is `num_experts`, in OLMoE `num_local_experts`.
# Why it matters when pruning: taking more experts out of some layers than of others is what expert pruning does, and
#                      whoever writes the result down as `num_experts`, which is what the modelling code of Qwen3-MoE
#                      reads, gets a model of full size and a config.json that denies it.
# Seen on:             2026-11-28, Python 3.11, CPU
#
# Output seen:
#   qwen3_moe  num_experts            says 2, has 4, messages 0
#   qwen3_moe  num_local_experts      refused: AmbiguousGlobalPerLayerAttributeError
#   qwen3_moe  moe_intermediate_size  refused: AmbiguousGlobalPerLayerAttributeError
#   mixtral    num_experts            says 2, has 4, messages 0
#   mixtral    num_local_experts      refused: AmbiguousGlobalPerLayerAttributeError
#   olmoe      num_local_experts      says 2, has 4, messages 0
#   olmoe      num_experts            refused: AmbiguousGlobalPerLayerAttributeError
#   qwen3_moe, saved: config.json says {'1': {'num_experts': 2}}, the weights hold 4 experts in layer 1
#   qwen3_moe, loaded again: says 2, has 4
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install=("$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${install[@]}" torch==2.13.0
"${install[@]}" transformers==5.23.0 tokenizers==0.23.3 huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6

HF_HUB_OFFLINE=1 "$place/venv/bin/python" - "$place/model" <<'PYTHON'
import json
import logging
import sys
from pathlib import Path

import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM

transformers.logging.disable_progress_bar()
messages = []
listener = logging.Handler(logging.WARNING)
listener.emit = lambda record: messages.append(record.getMessage())
transformers.logging.get_logger("transformers").addHandler(listener)

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES = {
    "qwen3_moe": (transformers.Qwen3MoeConfig, {"num_experts": 4, "moe_intermediate_size": 16}),
    "mixtral": (transformers.MixtralConfig, {"num_local_experts": 4}),
    "olmoe": (transformers.OlmoeConfig, {"num_experts": 4}),
}


def experts(model):
    """How many experts layer 1 really has."""
    return model.get_submodule("model.layers.1.mlp.experts").down_proj.shape[0]


def build(family, name, value):
    make, own = FAMILIES[family]
    messages.clear()
    config = make(**SMALL, **own, per_layer_config={1: {name: value}})
    return AutoModelForCausalLM.from_config(config)


def silent(family, name):
    model = build(family, name, 2)
    said = getattr(model.config.per_layer_config[1], name)
    print(f"{family:10} {name:22} says {said}, has {experts(model)}, messages {len(messages)}")
    assert (said, experts(model), messages) == (2, 4, []), messages
    return model


def refused(family, name, value):
    try:
        build(family, name, value)
    except RuntimeError as error:
        print(f"{family:10} {name:22} refused: {type(error).__name__}")
        assert type(error).__name__ == "AmbiguousGlobalPerLayerAttributeError"
    else:
        raise AssertionError(f"{family} with {name} by layer was built")


model = silent("qwen3_moe", "num_experts")
refused("qwen3_moe", "num_local_experts", 2)
refused("qwen3_moe", "moe_intermediate_size", 8)
silent("mixtral", "num_experts")
refused("mixtral", "num_local_experts", 2)
silent("olmoe", "num_local_experts")
refused("olmoe", "num_experts", 2)

folder = Path(sys.argv[1])
model.save_pretrained(folder)
told = json.loads((folder / "config.json").read_text())["per_layer_config"]
with safe_open(folder / "model.safetensors", "pt") as file:
    start = "model.layers.1.mlp.experts."
    held = len({name.removeprefix(start).split(".")[0] for name in file.keys() if name.startswith(start)})
print(f"qwen3_moe, saved: config.json says {told}, the weights hold {held} experts in layer 1")
assert (told, held) == ({"1": {"num_experts": 2}}, 4)
again = AutoModelForCausalLM.from_pretrained(folder)
said = again.config.per_layer_config[1].num_experts
print(f"qwen3_moe, loaded again: says {said}, has {experts(again)}")
assert (said, experts(again)) == (2, 4)
PYTHON
