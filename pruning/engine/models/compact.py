"""The compact form of a model: of each tensor with many zeros a bitmask and the values that are kept.

Its files are ordinary safetensors, `compact.safetensors` or a number of shards with their index. A packed
tensor NAME is two in them: `NAME.bitmask` (uint8; bit i of the byte j belongs to the element 8·j + i, counted
row by row) and `NAME.values`; its shape stands in the file's metadata. Unpacking gives every bit back.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from pruning.engine.models.save import aside, explained, verify, write_files
from pruning.errors import PruningError
from pruning.model_files.checkpoint import BITMASK, COMPACT, SHAPES, VALUES, read_folder, safetensors_shapes
from pruning.planning.cost.storage import bitmask_bytes

# What a bit pattern is read as, by bytes of an element; zero is all bits off, so that -0.0 is a kept value.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ORDINARY = "model"


def write_compact(
    model: nn.Module,
    tokenizer: Any,
    out: Path,
    texts: dict[str, str],
    sample: torch.Tensor,
    step: Callable[[str, str], Any] = lambda stage, note: None,
) -> int:
    """Write a model as it now is to a new folder in the compact form; as `write_model` else.

    Before the folder appears it is loaded again: every weight must have the same bits, and the logits must be
    the same.

    Returns
    -------
    The bytes of the weight files.

    Raises
    ------
    PruningError
        The folder exists, the disk has too little room, or the copy differs.
    """
    out = out.expanduser().absolute()
    # The ordinary files are written first; each is removed once it is packed.
    needed = 2 * sum(parameter.nbytes for parameter in model.parameters())
    with explained(out), aside(out, needed) as folder:
        write_files(model, tokenizer, folder, texts, step)
        step("save", "Packing the weights")
        pack(folder)
        step("verify", "Loading the written model and comparing it")
        again = load_compact(folder, next(model.parameters()).dtype)
        _check_bits(model, again)
        verify(model, tokenizer, folder, sample, again)
        os.replace(folder, out)
    return sum(path.stat().st_size for path in out.glob(f"{COMPACT}*.safetensors"))


def pack(folder: Path) -> None:
    """*In place*: the folder's ordinary weight files become compact ones."""
    for path in sorted(folder.glob(f"{_ORDINARY}*.safetensors")):
        tensors, shapes = {}, {}
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                parts = _packed(file.get_tensor(name))
                if parts is None:
                    tensors[name] = file.get_tensor(name)
                else:
                    tensors[name + BITMASK], tensors[name + VALUES], shapes[name] = parts
        metadata[SHAPES] = json.dumps(shapes)
        save_file(tensors, path.with_name(_renamed(path.name, _ORDINARY, COMPACT)), metadata)
        path.unlink()
    _rename_index(folder, folder, _ORDINARY, COMPACT)


def unpack(folder: Path, out: Path, step: Callable[[str], None] = lambda note: None) -> int:
    """Write a compact folder as an ordinary one that from_pretrained loads; it appears once it is whole.

    Returns
    -------
    The bytes of the weight files.

    Raises
    ------
    PruningError
        `folder` is no compact model or is damaged, `out` exists, or the disk has too little room.
    """
    checkpoint = read_folder(folder)
    if not checkpoint.compact:
        raise PruningError(f"{folder} is an ordinary model already: from_pretrained loads it as it is.")
    for path in checkpoint.weights:
        safetensors_shapes(path)
    out = out.expanduser().absolute()
    with explained(out), aside(out, sum(map(_unpacked_bytes, checkpoint.weights))) as draft:
        step("Unpacking the weights")
        for path in checkpoint.weights:
            save_file(read(path), draft / _renamed(path.name, COMPACT, _ORDINARY), {"format": "pt"})
        _rename_index(folder, draft, COMPACT, _ORDINARY)
        for path in folder.iterdir():
            if path.is_file() and not path.name.startswith(f"{COMPACT}"):
                (draft / path.name).write_bytes(path.read_bytes())
        os.replace(draft, out)
    return sum(path.stat().st_size for path in out.glob(f"{_ORDINARY}*.safetensors"))


def load_compact(folder: Path, dtype: torch.dtype) -> Any:
    """The model of a compact folder, as from_pretrained would load the unpacked one."""
    checkpoint = read_folder(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise PruningError(
            f"{folder} runs with Python code of its own, which a compact model cannot be loaded with. Unpack "
            f"it first: prunescope unpack {folder} --out unpacked"
        )
    weights = {name: tensor for path in checkpoint.weights for name, tensor in read(path).items()}
    model, report = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True
    )
    if report["missing_keys"]:  # they would be filled with random numbers
        raise PruningError(f"{folder} lacks the weights {min(report['missing_keys'])}. Fetch it again.")
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval()


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


def _packed(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[int]] | None:
    """Bitmask, kept values and shape; None where they would not be smaller than the tensor."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return None
    flat = tensor.contiguous().reshape(-1)
    kept = flat.view(_BITS[flat.element_size()]) != 0
    smaller = bitmask_bytes(float(flat.numel()), float(kept.sum()), flat.element_size()) < flat.nbytes
    if not smaller:
        return None
    padded = nn.functional.pad(kept.to(torch.uint8), (0, -len(kept) % 8)).reshape(-1, 8)
    bitmask = (padded << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8)
    return bitmask, flat[kept], list(tensor.shape)


def _unpacked(bitmask: torch.Tensor, values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """The tensor again. Raises ValueError where mask, values and shape do not belong together."""
    count = math.prod(shape)
    kept = ((bitmask[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1).reshape(-1)[:count].bool()
    if len(kept) != count or int(kept.sum()) != len(values):
        raise ValueError("they are of different lengths")
    tensor = torch.zeros(count, dtype=values.dtype)
    tensor[kept] = values
    return tensor.reshape(shape)


def _check_bits(model: nn.Module, again: nn.Module) -> None:
    """Raise PruningError unless every weight that was loaded has the bits of the one in memory."""
    written = again.state_dict()
    for name, tensor in model.state_dict().items():
        other, own = written[name].contiguous(), tensor.cpu().contiguous()
        bits = _BITS[own.element_size()]
        if other.dtype != own.dtype or not torch.equal(other.view(bits), own.view(bits)):
            raise PruningError(
                f"The compact model, loaded again, has other weights in {name}; nothing was kept. Please "
                "report this with the model's name."
            )


def _unpacked_bytes(path: Path) -> int:
    """What a compact file takes once it is unpacked."""
    with safe_open(path, "pt") as file:
        shapes = json.loads((file.metadata() or {}).get(SHAPES, "{}"))
        widths = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
        packed = sum(
            math.prod(shape) * widths.get(file.get_slice(name + VALUES).get_dtype(), 1)
            for name, shape in shapes.items()
        )
    return packed + path.stat().st_size


def _rename_index(folder: Path, out: Path, before: str, after: str) -> None:
    """Where shards have an index, that of the renamed shards; an old one in the same folder is removed."""
    index = folder / f"{before}.safetensors.index.json"
    if not index.is_file():
        return
    content = json.loads(index.read_text(encoding="utf-8"))
    files = {name: _renamed(shard, before, after) for name, shard in content["weight_map"].items()}
    text = json.dumps({**content, "weight_map": files}, indent=2)
    (out / f"{after}.safetensors.index.json").write_text(text, encoding="utf-8")
    if folder == out:
        index.unlink()


def _renamed(name: str, before: str, after: str) -> str:
    return f"{after}{name.removeprefix(before)}"
