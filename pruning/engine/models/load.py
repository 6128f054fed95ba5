"""Loading a model by hub id, folder, GGUF file or `demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from pruning.engine.architecture.groups import GroupInfo, find_groups
from pruning.engine.models.compact import load_compact, own_class
from pruning.engine.models.demo import demo_model
from pruning.engine.models.fingerprint import computed_fingerprint, fingerprint
from pruning.engine.models.gguf_convert import converted
from pruning.engine.models.paged import load_paged
from pruning.errors import PruningError
from pruning.model_files import hub
from pruning.model_files.checkpoint import (
    DTYPE_BYTES,
    Checkpoint,
    local_path,
    read_folder,
    safetensors_shapes,
)
from pruning.model_files.number_formats import Formats, weight_formats
from pruning.model_files.streaming import AUTO, is_streamed
from pruning.progress import Progress, silent, stage


@dataclass
class Loaded:
    """A model in eval mode and without gradients, ready to be examined.

    Attributes
    ----------
    model, tokenizer
        As transformers loads them.
    reference
        What it was asked for by: a hub id, a folder, a GGUF file or `demo`.
    fingerprint
        Names the checkpoint's exact weights, whatever they are computed in; see `fingerprint`.
    computed
        The same with the number format computed in: what results are about; see `computed_fingerprint`.
    dtype, device
        What is computed in and where: names, such as float32 and cpu.
    formats
        The number formats of the checkpoint.
    groups
        Its prunable groups.
    path
        Its local folder.
    streamed
        Whether its layers stay in files and come one at a time; see `pruning.engine.architecture.paging`.
    tokens
        The most tokens that are read of a text, to calibrate, to fit and to evaluate; None for the usual.
    """

    model: Any
    tokenizer: Any
    reference: str
    fingerprint: str
    computed: str
    dtype: str
    device: str
    formats: Formats
    groups: list[GroupInfo]
    path: str | None
    streamed: bool = False
    tokens: int | None = None

    @property
    def weight_bytes(self) -> int:
        """Bytes of one weight in the checkpoint, and so in what is written of it."""
        return DTYPE_BYTES[self.formats.usual]


def load(
    reference: str,
    dtype: str = "float32",
    device: str = "auto",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    stream: str = AUTO,
    tokens: int | None = None,
    progress: Progress = silent,
) -> Loaded:
    """Load a causal language model.

    Parameters
    ----------
    reference
        A hub id, a folder, a GGUF file or `demo`.
    dtype
        float32, bfloat16 or float16.
    device
        auto, cpu, cuda or mps.
    trust_remote_code
        Run Python code that comes with the model.
    allow_pickle
        Read pickled weights, which can run code.
    stream
        yes, no or auto: whether the layers stay in their files, and one at a time is in memory.
    tokens
        Read at most so many of a text.

    Raises
    ------
    PruningError
        The model is not there, is damaged, or cannot be pruned.
    """
    if dtype not in DTYPE_BYTES:
        raise PruningError(f'"{dtype}" is not a dtype. Choose one of {", ".join(DTYPE_BYTES)}.')
    place = choose_device(device)
    folder = _folder(reference, trust_remote_code, allow_pickle, progress)
    checkpoint = read_folder(folder)
    _check(checkpoint, trust_remote_code, allow_pickle)
    heard = stage(progress, "load", "Loading the weights")
    tokenizer = _tokenizer(checkpoint, trust_remote_code)
    streamed = is_streamed(checkpoint, dtype, stream)
    model = _dense(checkpoint, dtype, place, trust_remote_code, streamed)
    heard(1, 3, "Finding the groups")
    groups = find_groups(model)
    heard(2, 3, "Fingerprinting the weights")
    formats = weight_formats(checkpoint)
    said = formats.fit(dtype) and not (checkpoint.pickled and dtype != "float32")
    exact = model if said else _dense(checkpoint, "float32", "cpu", trust_remote_code, streamed)
    name = fingerprint(exact)
    # They are the same in float32, and reading all weights takes its time.
    names = name, name if dtype == "float32" else computed_fingerprint(model)
    heard(3, 3, "Loaded")
    return Loaded(
        model, tokenizer, reference, *names, dtype, place, formats, groups, str(folder), streamed, tokens
    )


def exact_model(loaded: Loaded) -> Any:
    """The dense model with the checkpoint's own values, on the CPU; None where the loaded one has them, or
    its folder is not known."""
    if loaded.path is None or loaded.formats.fit(loaded.dtype):
        return None
    checkpoint, code = read_folder(Path(loaded.path)), loaded.model.is_remote_code()
    return _dense(checkpoint, "float32", "cpu", code, loaded.streamed)


def choose_device(device: str = "auto") -> str:
    """`auto` becomes cuda, mps or cpu, whichever is there first; PruningError when `device` is not there."""
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, is_present in present.items() if is_present)
    if device not in present:
        raise PruningError(f'"{device}" is not a device. Choose auto, cpu, cuda or mps.')
    if not present[device]:
        others = ", ".join(name for name, is_present in present.items() if is_present)
        raise PruningError(f"There is no {device} device on this machine; there is {others}. Choose auto.")
    return device


def _folder(reference: str, code: bool, allow_pickle: bool, progress: Progress) -> Path:
    """The folder `reference` means, after fetching or converting what it takes."""
    if reference == "demo":
        return demo_model(progress)
    path = local_path(reference)
    if path is None:
        return _from_hub(reference, code, allow_pickle, progress)
    if path.is_dir():
        return path
    if path.suffix != ".gguf":
        raise PruningError(f"{path} is not a model. Give a folder, a .gguf file, a hub id or demo.")
    return converted(path, progress)


def _from_hub(name: str, code: bool, allow_pickle: bool, progress: Progress) -> Path:
    try:
        model = hub.describe(name)
    except PruningError:
        folder = hub.cached(name)
        if folder is None:
            raise
        return folder
    return hub.fetch(model, code=code, allow_pickle=allow_pickle, progress=progress)


def _check(checkpoint: Checkpoint, trust_remote_code: bool, allow_pickle: bool) -> None:
    """Refuse, with the reason, what cannot be loaded or should not be."""
    folder, config = checkpoint.folder, checkpoint.config
    if not checkpoint.tokenizer:
        raise PruningError(
            f"{folder} has no tokenizer (tokenizer.json or tokenizer.model), so no text can be run through "
            "the model. Copy the tokenizer files of the model it was made from into the folder."
        )
    quantized = config.get("quantization_config") or config.get("compression_config")
    if quantized:
        method = quantized.get("quant_method", "quantized") if isinstance(quantized, dict) else "quantized"
        raise PruningError(
            f"The weights in {folder} are quantized ({method}) and cannot be pruned. Give the model they "
            "were made from, in float32, bfloat16 or float16."
        )
    _check_kind(checkpoint, trust_remote_code)
    if checkpoint.pickled and not allow_pickle:
        raise PruningError(hub.pickle_refusal(folder))
    if not checkpoint.pickled:
        for file in checkpoint.weights:
            safetensors_shapes(file)


def _check_kind(checkpoint: Checkpoint, trust_remote_code: bool) -> None:
    folder, config = checkpoint.folder, checkpoint.config
    kind, own_code = config.get("model_type"), "auto_map" in config
    if kind not in CONFIG_MAPPING_NAMES:
        if not own_code:
            raise PruningError(
                f'{folder} is of the type "{kind}", which this version of transformers does not know.'
            )
        if not trust_remote_code:
            raise PruningError(
                f'{folder} is of the type "{kind}", which runs only with Python code of its own. '
                "Read that code, and if you trust it allow it: --trust-remote-code on the command line, or "
                "trust_remote_code=True."
            )
        return
    architectures = config.get("architectures") or [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)]
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()) & set(architectures)
    if not causal or config.get("is_encoder_decoder"):
        what = ", ".join(name for name in architectures if name) or kind
        raise PruningError(
            f"{folder} is a {what}, not a causal language model. Only those that continue text can be pruned."
        )


def _tokenizer(checkpoint: Checkpoint, trust_remote_code: bool) -> Any:
    try:
        return AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # each kind of tokenizer fails in its own way
        raise PruningError(
            f"The tokenizer in {checkpoint.folder} cannot be loaded: {_first_line(error)}. Fetch it again."
        ) from None


def _dense(checkpoint: Checkpoint, dtype: str, device: str, code: bool, stream: bool) -> Any:
    """The model in eval mode and without gradients, in memory or with its layers in files."""
    if stream:
        return load_paged(checkpoint, getattr(torch, dtype), torch.device(device), code)
    return _model(checkpoint, dtype, code).to(device).eval().requires_grad_(False)


def _model(checkpoint: Checkpoint, dtype: str, trust_remote_code: bool) -> Any:
    if checkpoint.compact:
        return load_compact(checkpoint.folder, getattr(torch, dtype))
    how = {"dtype": getattr(torch, dtype), "use_safetensors": not checkpoint.pickled}
    try:
        if "per_layer_config" in checkpoint.config:
            family, config = own_class(checkpoint.folder)
            model, report = family.from_pretrained(
                checkpoint.folder, config=config, output_loading_info=True, **how
            )
        else:
            model, report = AutoModelForCausalLM.from_pretrained(
                checkpoint.folder, trust_remote_code=trust_remote_code, output_loading_info=True, **how
            )
    except MemoryError:
        raise PruningError(
            f"There is not enough memory for {checkpoint.folder} in {dtype}. Choose bfloat16 or another."
        ) from None
    except Exception as error:  # safetensors, pickle, configuration and shape errors
        raise PruningError(f"{checkpoint.folder} cannot be loaded: {_first_line(error)}") from None
    missing = sorted(report["missing_keys"])
    if missing:  # they would be filled with random numbers
        raise PruningError(
            f"{checkpoint.folder} lacks {len(missing)} of the model's weights, {missing[0]} first. Fetch the "
            "model again."
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
