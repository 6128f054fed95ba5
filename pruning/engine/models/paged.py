"""Loading a model whose decoder layers stay in their safetensors files until they are used."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.paging import page
from pruning.engine.models.compact import own_class
from pruning.engine.models.file_names import file_names
from pruning.engine.models.stored_weights import StoredWeights, stored_weights
from pruning.engine.models.wide_tables import compute_in
from pruning.errors import PruningError
from pruning.model_files.checkpoint import Checkpoint

# Tensors outside the layers with fewer weights are widened when they are loaded.
SMALL = 1 << 20


def load_paged(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device, code: bool) -> Any:
    """The model of a folder in eval mode, its layers on disk; see `pruning.engine.architecture.paging`.

    Parameters
    ----------
    checkpoint
        The folder; its weights must be safetensors, one tensor for each of the model's.
    dtype
        What is computed in.
    device
        Where it is computed.
    code
        Whether the folder's own code is run.

    Raises
    ------
    PruningError
        The folder's weights cannot be read one by one, or some are missing.
    """
    if checkpoint.pickled or checkpoint.compact:
        what = "pickled" if checkpoint.pickled else "packed"
        raise PruningError(
            f"The weights in {checkpoint.folder} are {what} and cannot be read layer by layer. Load the "
            "model whole (--stream no)."
        )
    model = _without_weights(checkpoint, dtype, code)
    with ExitStack() as stack:
        stored = stack.enter_context(stored_weights(checkpoint.folder))
        names = _names(model, stored, checkpoint)
        layers = decoder_layers(model)
        _load_others(model, layers, stored, names, device)
        files = stack.pop_all()

    def ahead(wanted: Sequence[str]) -> None:
        stored.ahead(names[name] for name in wanted)

    page(model, layers, lambda name: stored(names[name]), ahead, device, files)
    return model.eval().requires_grad_(False)


def _without_weights(checkpoint: Checkpoint, dtype: torch.dtype, code: bool) -> Any:
    """The model with its parameters on the device "meta", and its buffers as they are made."""
    folder = checkpoint.folder
    with init_empty_weights(include_buffers=False):
        if "per_layer_config" in checkpoint.config:
            family, config = own_class(folder)
            config.dtype = dtype
            model = family._from_config(config, dtype=dtype)
        else:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=code, local_files_only=True)
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=code)
    model.tie_weights()
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model


def _names(model: Any, stored: StoredWeights, checkpoint: Checkpoint) -> dict[str, str]:
    """What each parameter and kept buffer is called in the files; tied ones are there once."""
    tensors = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    wanted = [name for name, tensor in tensors.items() if first.setdefault(id(tensor), name) == name]
    named = file_names(model, wanted)
    prefix = f"{model.base_model_prefix}."
    found = {}
    for name, usual in named.items():
        others = (usual, name, name.removeprefix(prefix))
        found[name] = next((each for each in others if each in stored), "")
    missing = sorted(name for name, there in found.items() if not there)
    if missing:
        raise PruningError(
            f"{checkpoint.folder} does not hold {missing[0]} as a tensor of its own, so that it cannot be "
            "read layer by layer. Load the model whole (--stream no)."
        )
    return found


def _load_others(
    model: Any,
    layers: Sequence[tuple[str, nn.Module]],
    stored: StoredWeights,
    names: dict[str, str],
    device: torch.device,
) -> None:
    """Load what is not a layer's parameter, *in place*: embeddings, the last norm, the head, and buffers."""
    inside = {id(parameter) for _, layer in layers for parameter in layer.parameters()}
    dtype = next(layers[0][1].parameters()).dtype
    loaded: dict[int, nn.Parameter] = {}
    for path, module in model.named_modules():
        for own, absent in list(module._parameters.items()):
            if absent is None or id(absent) in inside:
                continue
            if id(absent) not in loaded:
                name = f"{path}.{own}".lstrip(".")
                narrow = isinstance(module, (nn.Embedding, nn.Linear)) and own == "weight"
                loaded[id(absent)] = _loaded(absent, stored(names[name]), name, device, narrow)
            module._parameters[own] = loaded[id(absent)]
        weight = module._parameters.get("weight")
        if weight is not None and not weight.is_meta and weight.dtype != dtype:
            compute_in(module, dtype)
        for own in set(module._buffers) - module._non_persistent_buffers_set:
            values = stored(names.get(f"{path}.{own}".lstrip("."), ""))
            if values is not None:
                module._buffers[own] = values
    for module in model.modules():
        for own, buffer in module._buffers.items():
            module._buffers[own] = None if buffer is None else buffer.to(device)


def _loaded(
    absent: nn.Parameter, values: torch.Tensor | None, name: str, device: torch.device, narrow: bool
) -> nn.Parameter:
    """A parameter in the format computed in; a large one that may be `narrow` in the files' own."""
    if values is None or values.shape != absent.shape:
        raise PruningError(f"{name} does not have the shape that the configuration asks for.")
    keeps = narrow and values.numel() > SMALL and values.dtype.itemsize < absent.dtype.itemsize
    return nn.Parameter(values.to(device, values.dtype if keeps else absent.dtype), requires_grad=False)
