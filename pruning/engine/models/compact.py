"""Reading the compact form of a model: of each tensor with many zeros a bitmask and the values that are kept.

Its files are ordinary safetensors, `compact.safetensors` or a number of shards with their index. A packed
tensor NAME is two in them: `NAME.bitmask` (uint8; bit i of the byte j belongs to the element 8·j + i, counted
row by row) and `NAME.values`; its shape stands in the file's metadata. Unpacking gives every bit back.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from pruning.engine.models.per_layer import per_layer_class
from pruning.errors import PruningError
from pruning.model_files.checkpoint import BITMASK, SHAPES, VALUES, read_folder


def load_compact(folder: Path, dtype: torch.dtype) -> Any:
    """The model of a compact folder, as from_pretrained would load the unpacked one."""
    checkpoint = read_folder(folder)
    family, config = own_class(folder)
    weights = {name: tensor for path in checkpoint.weights for name, tensor in read(path).items()}
    model, report = family.from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    if report["missing_keys"]:  # they would be filled with random numbers
        raise PruningError(f"{folder} lacks the weights {min(report['missing_keys'])}. Fetch it again.")
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval()


def own_class(folder: Path) -> tuple[Any, Any]:
    """The class and the configuration of a folder, without the code that may come with it.

    Where its layers differ in width each is built as `per_layer_config` says.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise PruningError(
            f"{folder} runs with Python code of its own, which a compact model cannot be loaded with. Unpack "
            f"it first: prunescope unpack {folder} --out unpacked"
        )
    family = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    mixed = config.get_text_config().is_heterogeneous
    return (per_layer_class(family) if mixed else family), config


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a compact file, unpacked. Raises PruningError for one that does not fit together."""
    with safe_open(path, "pt") as file:
        shapes: Mapping[str, list[int]] = json.loads((file.metadata() or {}).get(SHAPES, "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    for name, shape in shapes.items():
        try:
            bitmask, values = tensors.pop(name + BITMASK), tensors.pop(name + VALUES)
            tensors[name] = _unpacked(bitmask, values, shape)
        except (KeyError, RuntimeError, ValueError):
            raise PruningError(
                f"{path} is damaged: bitmask and values of {name} do not fit together. Fetch it again."
            ) from None
    return tensors


def _unpacked(bitmask: torch.Tensor, values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """The tensor again. Raises ValueError where mask, values and shape do not belong together."""
    count = math.prod(shape)
    kept = ((bitmask[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1).reshape(-1)[:count].bool()
    if len(kept) != count or int(kept.sum()) != len(values):
        raise ValueError("they are of different lengths")
    tensor = torch.zeros(count, dtype=values.dtype)
    tensor[kept] = values
    return tensor.reshape(shape)
