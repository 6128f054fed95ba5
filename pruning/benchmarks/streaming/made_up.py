"""A made-up model of a real one's size: seeded random weights in shards, with a tokenizer that is at hand."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from pruning.engine.architecture.groups import decoder_layers
from pruning.model_files.checkpoint import TOKENIZER_FILES

# The shape of Llama-3.2-3B.
SHAPE: Mapping[str, Any] = {
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 4096,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
}
SPREAD = 0.02
LAYERS_IN_SHARD = 4
SEED = 0


def write_made_up(folder: Path, tokenizer: Path, shape: Mapping[str, Any] = SHAPE) -> Path:
    """Write a model of a shape in bfloat16, with the tokenizer of another model's folder; returns `folder`.

    A few layers at a time are in memory. The same shape gives the same weights.
    """
    folder.mkdir(parents=True)
    config = AutoConfig.for_model(**shape, dtype="bfloat16", architectures=["LlamaForCausalLM"])
    config.save_pretrained(folder)
    for name in (*TOKENIZER_FILES, "tokenizer_config.json", "special_tokens_map.json"):
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder / name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shapes = {name: tensor.shape for name, tensor in model.named_parameters()}
    shards: list[list[str]] = [[]]
    path, layers = decoder_layers(model)[0][0].rpartition(".")[0] + ".", len(decoder_layers(model))
    shards[0] = [name for name in shapes if not name.startswith(path)]
    for first in range(0, layers, LAYERS_IN_SHARD):
        numbers = range(first, min(first + LAYERS_IN_SHARD, layers))
        shards.append([name for name in shapes for n in numbers if name.startswith(f"{path}{n}.")])
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        generator = torch.Generator().manual_seed(SEED + number)
        save_file({name: _values(shapes[name], generator) for name in names}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def _values(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(0, SPREAD, generator=generator)
