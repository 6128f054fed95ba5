"""What model folders and safetensors headers say about themselves. No weights are read."""

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from pruning.errors import PruningError
from pruning.files import parse_json, read_json

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
SAFETENSORS_NAME = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
# A compact model: its files, what a packed tensor is called in them, and the metadata that has its shape.
COMPACT = "compact"
COMPACT_NAME = re.compile(r"compact(-\d+-of-\d+)?\.safetensors")
BITMASK, VALUES, SHAPES = ".bitmask", ".values", "packed_shapes"
PICKLE_NAME = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

LARGEST_HEADER = 1 << 28
# A file of others may say anything: what reading a header that is wrong can raise.
UNREADABLE = (
    OSError,
    ValueError,
    struct.error,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
)


@dataclass(frozen=True)
class Checkpoint:
    """A folder's configuration and the files its weights are in; `pickled` when those are not safetensors.

    `compact`: the files hold bitmasks and kept values, which `pruning.engine.models.compact` unpacks.
    """

    folder: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]
    pickled: bool
    tokenizer: bool
    compact: bool = False


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
        files = list(path.glob("*.gguf")) if path.is_dir() and not (path / "config.json").exists() else []
        return files[0] if len(files) == 1 else path
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
        config = read_json(config_file)
    except (OSError, ValueError) as error:
        raise PruningError(f"{config_file} cannot be read ({error}). Fetch the model again.") from None
    if not _is_config(config):
        raise PruningError(f"{config_file} does not hold a model configuration. Fetch the model again.")
    names = _file_names(folder)
    safetensors = _weight_files(folder, names, "model.safetensors", SAFETENSORS_NAME)
    tokenizer = any((folder / name).is_file() for name in TOKENIZER_FILES)
    if not safetensors:
        compact = _weight_files(folder, names, f"{COMPACT}.safetensors", COMPACT_NAME)
        if compact:
            return Checkpoint(folder, config, compact, pickled=False, tokenizer=tokenizer, compact=True)
    pickles = _weight_files(folder, names, "pytorch_model.bin", PICKLE_NAME)
    if not safetensors and not pickles:
        raise PruningError(_no_weights(folder, names))
    return Checkpoint(folder, config, safetensors or pickles, not safetensors, tokenizer)


def _is_config(config: Any) -> bool:
    """Whether it is a configuration, as far as it is read without transformers."""
    if not isinstance(config, dict):
        return False
    architectures = config.get("architectures") or []
    named = isinstance(architectures, list) and all(isinstance(name, str) for name in architectures)
    return named and isinstance(config.get("model_type", ""), str)


def _file_names(folder: Path) -> list[str]:
    """The names of a folder's files.

    Raises PruningError for what is neither file nor folder: a device may never end, and a pipe that nobody
    writes to never begins, whoever opens it.
    """
    paths = [path for path in folder.iterdir() if not path.is_dir()]
    strange = next((path for path in paths if path.exists() and not path.is_file()), None)
    if strange is not None:
        raise PruningError(
            f"{strange} is no ordinary file. Take it out of the folder, or fetch the model again."
        )
    return sorted(path.name for path in paths if path.is_file())


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file; of a compact one the shapes of its unpacked tensors.

    Raises PruningError when the file is damaged.
    """
    try:
        size = path.stat().st_size
        header, length = safetensors_header(path)
        metadata = header.pop("__metadata__", None) or {}
        shapes = {name: _counts(entry["shape"]) for name, entry in header.items()}
        for name, shape in parse_json(metadata.get(SHAPES, "{}")).items():
            del shapes[name + BITMASK], shapes[name + VALUES]
            shapes[name] = _counts(shape)
        end = max((_counts(entry["data_offsets"])[1] for entry in header.values()), default=0)
    except UNREADABLE as error:
        raise PruningError(damaged(path, error)) from None
    if size != 8 + length + end:
        raise PruningError(damaged(path, f"{size:,} bytes where its header asks for {8 + length + end:,}"))
    return shapes


def safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and how many bytes it takes. Errors are those of reading."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(path.stat().st_size, LARGEST_HEADER):
            raise ValueError("its header is cut short")
        return parse_json(file.read(length)), length


def _counts(values: Any) -> tuple[int, ...]:
    """Whole numbers of 0 or more; ValueError for anything else."""
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise ValueError(f"{str(values)[:60]} in place of sizes")
    return tuple(values)


def _weight_files(folder: Path, names: list[str], single: str, pattern: re.Pattern[str]) -> tuple[Path, ...]:
    """The one weight file, or the ones its index lists; PruningError when some of those are missing."""
    if single in names:
        return (folder / single,)
    index = f"{single}.index.json"
    if index not in names:
        return ()
    try:
        listed = sorted(set(read_json(folder / index)["weight_map"].values()))
    except UNREADABLE as error:
        raise PruningError(damaged(folder / index, error)) from None
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
    gguf_files = sorted(folder.glob("*.gguf"))
    if gguf_files:
        return f"{folder} has no config.json. Give the GGUF file itself: {gguf_files[0]}"
    return f"{folder} has no config.json, so it is not a model folder. Give one that from_pretrained loads."


def _no_weights(folder: Path, names: list[str]) -> str:
    gguf_files = [name for name in names if name.endswith(".gguf")]
    if gguf_files:
        return f"{folder} has no safetensors weights. Give the GGUF file itself: {folder / gguf_files[0]}"
    return f"{folder} has no weights: neither model.safetensors nor its index. Fetch the model again."


def damaged(path: Path, reason: object) -> str:
    """What to say of a file that cannot be read to its end."""
    return f"{path} is damaged or cut short ({reason}). Fetch it again."
