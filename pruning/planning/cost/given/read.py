"""What is known of a model before it is loaded: its shape, and what its files take. No weights are read."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruning.errors import PruningError
from pruning.files import read_json
from pruning.model_files.checkpoint import (
    DTYPE_BYTES,
    Checkpoint,
    demo_folder,
    local_path,
    read_folder,
    safetensors_shapes,
)
from pruning.model_files.gguf_header import Gguf, gguf_header
from pruning.model_files.number_formats import weight_formats
from pruning.planning.cost.given.published import DEMO
from pruning.planning.cost.given.shape import ModelShape, shape_of

# What a GGUF file is converted to before it is loaded.
CONVERTED = "float32"


@dataclass(frozen=True)
class Source:
    """A model that is not loaded.

    Attributes
    ----------
    reference
        What it was asked for by.
    shape
        Its widths.
    dtype
        The number format of its files, once they are converted where they have to be.
    files
        The weight files that are here; empty where there are none.
    to_write
        Bytes that converting or fetching it leaves on the disk.
    streams
        Whether its layers can stay in its files: not those of pickled and of packed ones.
    """

    reference: str
    shape: ModelShape
    dtype: str
    files: tuple[Path, ...] = ()
    to_write: int = 0
    streams: bool = True

    @property
    def file_bytes(self) -> int:
        """Bytes of all weights as they are read."""
        return self.shape.weight_bytes * self.shape.total


def source_of(reference: str) -> Source:
    """Look at a folder, a GGUF file, `demo`, a hub id, or a configuration in a .json file.

    Raises PruningError when it is not there, is damaged, or does not say how wide it is.
    """
    if reference == "demo":
        folder = demo_folder()
        return folder_source(folder, reference) if folder.is_dir() else configured(DEMO, reference, "float32")
    path = local_path(reference)
    if path is None:
        return _hub(reference)
    if path.is_dir():
        return folder_source(path, reference)
    if path.suffix == ".json":
        return configured(_configuration(path), reference)
    if path.suffix != ".gguf":
        raise PruningError(
            f"{path} is not a model. Give a folder, a .gguf file, a hub id, demo, or a configuration (.json)."
        )
    return _gguf(path, reference)


def folder_source(folder: Path, reference: str | None = None) -> Source:
    """The source in a model folder. Raises PruningError as `source_of` does."""
    checkpoint = read_folder(folder)
    dtype = weight_formats(checkpoint).usual
    parameters, tied = (None, None) if checkpoint.pickled else _counted(checkpoint)
    shape = shape_of(checkpoint.config, parameters, DTYPE_BYTES[dtype], tied)
    streams = not (checkpoint.pickled or checkpoint.compact)
    return Source(reference or str(folder), shape, dtype, checkpoint.weights, streams=streams)


def configured(config: Mapping[str, Any], reference: str, dtype: str | None = None) -> Source:
    """A model of which there is no more than its configuration, on paper or before it is fetched."""
    dtype = dtype or str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
    if dtype not in DTYPE_BYTES:
        raise PruningError(f'"{dtype}" is not a dtype. Choose one of {", ".join(DTYPE_BYTES)}.')
    shape = shape_of(config, weight_bytes=DTYPE_BYTES[dtype])
    return Source(reference, shape, dtype, to_write=shape.weight_bytes * shape.total)


def _hub(name: str) -> Source:
    from pruning.model_files import hub  # a third of a second, which folders and files need not wait for

    folder = hub.cached(name)
    if folder is not None:
        return folder_source(folder, name)
    return configured(_configuration(hub.configuration(name)), name)


def _configuration(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise PruningError(f"{path} cannot be read ({error}). Give a configuration in JSON.") from None
    if not isinstance(config, dict):
        raise PruningError(f"{path} does not hold a model configuration. Give one such as config.json.")
    return config


def _counted(checkpoint: Checkpoint) -> tuple[int, bool]:
    """Numbers in all tensors, and whether the head is one with the embedding."""
    shapes = {name: shape for file in checkpoint.weights for name, shape in safetensors_shapes(file).items()}
    head = next((name for name in shapes if name.endswith(("lm_head.weight", "embed_out.weight"))), None)
    said = checkpoint.config.get("tie_word_embeddings")
    tied = head is None or bool(said)
    if tied and head is not None:
        shapes.pop(head)
    return sum(map(math.prod, shapes.values())), tied


def _gguf(path: Path, reference: str) -> Source:
    """A GGUF file; it is made into a folder the first time it is loaded."""
    header = gguf_header(path)
    shapes = header.shapes
    tied = "output.weight" not in shapes
    parameters = sum(map(math.prod, shapes.values()))
    shape = shape_of(_gguf_config(header), parameters, DTYPE_BYTES[CONVERTED], tied)
    return Source(reference, shape, CONVERTED, to_write=shape.weight_bytes * parameters)


def _gguf_config(header: Gguf) -> dict[str, Any]:
    """A GGUF header's widths under the names that a config.json has for them."""
    family = header.metadata.get("general.architecture", "")
    own = header.metadata.get("prunescope.config")
    if isinstance(own, str):
        return dict(json.loads(own))
    names = {
        "num_hidden_layers": "block_count",
        "hidden_size": "embedding_length",
        "intermediate_size": "feed_forward_length",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "num_experts": "expert_count",
        "num_experts_per_tok": "expert_used_count",
        "moe_intermediate_size": "expert_feed_forward_length",
    }
    config = {name: header.metadata.get(f"{family}.{own_name}") for name, own_name in names.items()}
    words = header.shapes.get("token_embd.weight")
    return {**config, "vocab_size": words[0] if words else None, "model_type": family}
