"""Writing the compact form of a model, and an ordinary folder again from it.

`pruning.engine.models.compact` describes the form and reads it.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import AutoTokenizer

from pruning.engine.architecture.safetensors_file import Entry, write_safetensors
from pruning.engine.export.folder import (
    Sample,
    bits,
    check,
    check_tokens,
    expected_of,
    write_files,
)
from pruning.engine.export.loaded_alone import digest
from pruning.engine.export.new_folder import new_folder
from pruning.engine.export.weights import Pruned, Weights
from pruning.engine.models.compact import load_compact, read
from pruning.errors import PruningError
from pruning.model_files.checkpoint import BITMASK, COMPACT, SHAPES, VALUES, read_folder, safetensors_shapes
from pruning.planning.cost.storage import bitmask_bytes

_ORDINARY = "model"


def write_compact(
    pruned: Pruned,
    out: Path,
    texts: dict[str, str],
    sample: Sample,
    step: Callable[[str, str], Any] = lambda stage, note: None,
) -> int:
    """Write a model to a new folder in the compact form; as `write_model` else.

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
    weights = Weights.of(pruned)
    # The ordinary files are written first; each is removed once it is packed.
    with new_folder(out, 2 * sum(entry.nbytes for entry in weights.entries())) as folder:
        write_files(weights, folder, texts, step)
        step("save", "Packing the weights")
        pack(folder)
        step("verify", "Loading the written model and comparing it")
        expected, again = expected_of(weights, sample), load_compact(folder, torch.float32)
        with torch.no_grad():
            logits = again(input_ids=sample.ids, use_cache=False).logits
        digests = {name: digest(tensor) for name, tensor in again.state_dict().items()}
        check(expected, digests, logits, sample.dense)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        check_tokens(pruned, sample, tokenizer)
    return sum(path.stat().st_size for path in out.glob(f"{COMPACT}*.safetensors"))


def pack(folder: Path) -> None:
    """*In place*: the folder's ordinary weight files become compact ones, a tensor at a time."""
    for path in sorted(folder.glob(f"{_ORDINARY}*.safetensors")):
        target = path.with_name(_renamed(path.name, _ORDINARY, COMPACT))
        with safe_open(path, "pt") as file:
            entries: list[Entry] = []
            shapes: dict[str, list[int]] = {}
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                tensor = file.get_tensor(name)
                packed = _packed_entries(name, tensor)
                entries += packed or [Entry(name, tuple(tensor.shape), tensor.dtype)]
                if packed:
                    shapes[name] = list(tensor.shape)

            def part(name: str, read: Callable[[str], torch.Tensor] = file.get_tensor) -> list[torch.Tensor]:
                if name.endswith(BITMASK):
                    return [_bitmask(read(name.removesuffix(BITMASK)))]
                return [_values(read(name.removesuffix(VALUES)))] if name.endswith(VALUES) else [read(name)]

            metadata = {**(file.metadata() or {}), SHAPES: json.dumps(shapes)}
            write_safetensors(target, entries, part, metadata)
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
    with new_folder(out, sum(map(_unpacked_bytes, checkpoint.weights))) as draft:
        step("Unpacking the weights")
        for path in checkpoint.weights:
            save_file(read(path), draft / _renamed(path.name, COMPACT, _ORDINARY), {"format": "pt"})
        _rename_index(folder, draft, COMPACT, _ORDINARY)
        for path in folder.iterdir():
            if path.is_file() and not path.name.startswith(f"{COMPACT}"):
                (draft / path.name).write_bytes(path.read_bytes())
    return sum(path.stat().st_size for path in out.glob(f"{_ORDINARY}*.safetensors"))


def _packed_entries(name: str, tensor: torch.Tensor) -> list[Entry]:
    """Bitmask and kept values of a tensor; none where they would not be smaller than the tensor."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return []
    kept = int((bits(tensor) != 0).sum())  # all bits off: -0.0 is a kept value
    if bitmask_bytes(float(tensor.numel()), float(kept), tensor.element_size()) >= tensor.nbytes:
        return []
    bitmask = Entry(name + BITMASK, (math.ceil(tensor.numel() / 8),), torch.uint8)
    return [bitmask, Entry(name + VALUES, (kept,), tensor.dtype)]


def _values(tensor: torch.Tensor) -> torch.Tensor:
    return tensor[bits(tensor) != 0]


def _bitmask(tensor: torch.Tensor) -> torch.Tensor:
    kept = bits(tensor.reshape(-1)) != 0
    padded = nn.functional.pad(kept.to(torch.uint8), (0, -len(kept) % 8)).reshape(-1, 8)
    return (padded << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8)


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
