"""What model files say about themselves: folders, safetensors and GGUF headers. No weights are read."""

import json
import math
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from pruning.errors import PruningError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
SAFETENSORS_NAME = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
PICKLE_NAME = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

_LARGEST_HEADER = 1 << 28
_GGUF_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_GGUF_STRING, _GGUF_ARRAY = 8, 9


@dataclass(frozen=True)
class Checkpoint:
    """A folder's configuration and the files its weights are in; `pickled` when those are not safetensors."""

    folder: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]
    pickled: bool
    tokenizer: bool


@dataclass(frozen=True)
class Gguf:
    """The header of a GGUF file: metadata (arrays as their length) and the shape of every tensor."""

    metadata: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def cache_folder() -> Path:
    """Where fetched and converted models are kept: under PRUNESCOPE_HOME, or the user's cache folder."""
    home = os.environ.get("PRUNESCOPE_HOME")
    return (
        Path(home).expanduser().resolve() / "cache"
        if home
        else Path(platformdirs.user_cache_dir("prunescope"))
    )


def demo_folder() -> Path:
    """Where the demo model is, once it has been fetched."""
    return cache_folder() / "demo" / "SmolLM2-135M-Instruct"


def local_path(reference: str) -> Path | None:
    """The folder or file that `reference` names, or None when it is a hub id.

    Raises PruningError when it can only be a path and there is nothing, or when it is neither.
    """
    path = Path(reference).expanduser()
    if reference and path.exists():
        return path
    if (
        reference.startswith(("/", "./", "../", "~", "\\"))
        or reference.endswith((".gguf", "/"))
        or path.is_absolute()
    ):
        raise PruningError(f"There is no model at {reference}. Check the path.")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", reference):
        raise PruningError(
            f'"{reference}" is neither a folder, a GGUF file nor a hub id such as Qwen/Qwen2.5-0.5B, '
            'and not "demo". Check the spelling.'
        )
    return None


def read_folder(folder: Path) -> Checkpoint:
    """Look at a model folder. Raises PruningError when it has no usable configuration or no weights."""
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise PruningError(_no_config(folder))
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PruningError(f"{config_file} cannot be read ({error}). Fetch the model again.") from None
    if not isinstance(config, dict):
        raise PruningError(f"{config_file} does not hold a model configuration. Fetch the model again.")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    safetensors = _weight_files(folder, names, "model.safetensors", SAFETENSORS_NAME)
    pickles = _weight_files(folder, names, "pytorch_model.bin", PICKLE_NAME)
    if not safetensors and not pickles:
        raise PruningError(_no_weights(folder, names))
    tokenizer = any((folder / name).is_file() for name in TOKENIZER_FILES)
    return Checkpoint(folder, config, safetensors or pickles, not safetensors, tokenizer)


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file. Raises PruningError when the file is damaged."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _LARGEST_HEADER):
                raise ValueError("its header is cut short")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PruningError(_damaged(path, error)) from None
    if size != 8 + length + end:
        raise PruningError(_damaged(path, f"{size:,} bytes where its header asks for {8 + length + end:,}"))
    return shapes


def gguf_header(path: Path) -> Gguf:
    """Read the header of a GGUF file. Raises PruningError when it is not one, is damaged or cut short."""
    import gguf  # costs a third of a second, for numpy and its tables of tensor types

    sizes = {int(kind): pair for kind, pair in gguf.GGML_QUANT_SIZES.items()}
    try:
        with path.open("rb") as file:
            magic, version, tensors, keys = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in (2, 3) or max(tensors, keys) > 1_000_000:
                raise ValueError("it does not begin like a GGUF file")
            metadata = {_string(file): _value(file, *_numbers(file, "I")) for _ in range(keys)}
            shapes: dict[str, tuple[int, ...]] = {}
            end = 0
            for _ in range(tensors):
                name, (dimensions,) = _string(file), _numbers(file, "I")
                shapes[name] = _numbers(file, f"{min(dimensions, 8)}Q")
                kind, offset = _numbers(file, "IQ")
                block, block_bytes = sizes[kind]
                end = max(end, offset + math.prod(shapes[name]) // block * block_bytes)
            alignment = int(metadata.get("general.alignment", 32))
            start = -(-file.tell() // alignment) * alignment
        size = path.stat().st_size
    except (OSError, ValueError, struct.error, KeyError, TypeError, ZeroDivisionError, MemoryError) as error:
        raise PruningError(_damaged(path, error)) from None
    if size < start + end:
        raise PruningError(_damaged(path, f"{size:,} bytes where its header asks for {start + end:,}"))
    return Gguf(metadata, shapes)


def _weight_files(folder: Path, names: list[str], single: str, pattern: re.Pattern[str]) -> tuple[Path, ...]:
    """The one weight file, or the ones its index lists; PruningError when some of those are missing."""
    if single in names:
        return (folder / single,)
    index = f"{single}.index.json"
    if index not in names:
        return ()
    try:
        listed = sorted(set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise PruningError(_damaged(folder / index, error)) from None
    missing = [name for name in listed if name not in names or not pattern.fullmatch(name)]
    if missing:
        raise PruningError(
            f"{folder} lacks the weight file {missing[0]}, which its index lists. Fetch the model again."
        )
    return tuple(folder / name for name in listed)


def _no_config(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return (
            f"{folder} holds an adapter, not a whole model. Merge it into its base model and save that first."
        )
    found = sorted(folder.glob("*.gguf"))
    if found:
        return f"{folder} has no config.json. Give the GGUF file itself: {found[0]}"
    return f"{folder} has no config.json, so it is not a model folder. Give one that from_pretrained loads."


def _no_weights(folder: Path, names: list[str]) -> str:
    found = [name for name in names if name.endswith(".gguf")]
    if found:
        return f"{folder} has no safetensors weights. Give the GGUF file itself: {folder / found[0]}"
    return f"{folder} has no weights: neither model.safetensors nor its index. Fetch the model again."


def _damaged(path: Path, reason: object) -> str:
    return f"{path} is damaged or cut short ({reason}). Fetch it again."


def _numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _string(file: BinaryIO) -> str:
    (length,) = _numbers(file, "Q")
    if length > _LARGEST_HEADER:
        raise ValueError("a name in it is impossibly long")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("its header is cut short")
    return text.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """A metadata value; of an array only its length, as vocabularies have very many entries."""
    if kind == _GGUF_STRING:
        return _string(file)
    if kind != _GGUF_ARRAY:
        return _numbers(file, _GGUF_SCALARS[kind])[0]
    member, count = _numbers(file, "IQ")
    if count > _LARGEST_HEADER:
        raise ValueError("a list in it is impossibly long")
    if member in _GGUF_SCALARS:
        file.seek(count * struct.calcsize(f"<{_GGUF_SCALARS[member]}"), os.SEEK_CUR)
        return count
    for _ in range(count):
        _value(file, member)
    return count
