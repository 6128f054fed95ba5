"""A pruned model as a folder that from_pretrained loads: written aside, loaded again, compared, moved."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.dynamic_module_utils import custom_object_save

from pruning.engine.architecture.equivalence import TOLERANCES, relative_error, same_values
from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.groups import decoder_layers
from pruning.engine.architecture.paging import paged_of
from pruning.engine.architecture.safetensors_file import sharded, write_safetensors
from pruning.engine.export.fresh_process import load_alone
from pruning.engine.export.new_folder import new_folder
from pruning.engine.export.per_layer import MODULE, modelling_file
from pruning.engine.export.weights import Pruned, Weights, as_written
from pruning.errors import PruningError

SINGLE = "model.safetensors"
# The most bytes of one weight file.
SHARD = 5 * 10**9
# What a bit pattern is read as, by bytes of an element.
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class Sample:
    """What the written model is compared on: token windows `ids` [n, length] and the `dense` model's logits
    [n, length, vocabulary], which set the measure; where they are None the pruned model's own do."""

    ids: torch.Tensor
    dense: torch.Tensor | None = None


def write_model(
    pruned: Pruned,
    out: Path,
    texts: dict[str, str],
    sample: Sample,
    step: Callable[[str, str], Any] = lambda stage, note: None,
) -> int:
    """Write a model to a new folder, which appears only once it has been verified.

    Before that a process of its own, which knows nothing of Prunescope, has loaded it: there every weight
    must have the very bits that were to be written, the logits must be the same but for rounding, and what it
    writes with its cache what it writes without.

    Parameters
    ----------
    pruned
        What is written; it is not changed.
    out
        The folder; it must not exist.
    texts
        More files by name: the recipe, the model card.
    sample
        What the logits are compared on.
    step
        Told what is done next: the stage, and a note in plain words.

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
    with new_folder(out, sum(entry.nbytes for entry in weights.entries())) as folder:
        write_files(weights, folder, texts, step)
        step("verify", "Loading the written model in a process of its own and comparing it")
        expected = expected_of(weights, sample)
        text = text_of(pruned, sample)
        dtype = pruned.formats.usual if not pruned.formats.others else "float32"
        code = weights.by_layer or pruned.model.is_remote_code()
        said, logits = load_alone(folder, sample.ids, dtype, text, code, on_disk(weights))
        check(expected, said["digests"], logits, sample.dense)
        if said["missing"] or not said["short"] <= TOLERANCES[torch.float32]:
            raise PruningError(
                "The written model, loaded again, writes other words with its cache than without; nothing "
                "was kept. Please report this with the model's name."
            )
        check_tokens(pruned, sample, lambda _: said["tokens"])
    return sum(path.stat().st_size for path in out.glob("*.safetensors"))


def on_disk(weights: Weights) -> list[str]:
    """The written model's decoder layers, where the one in memory has not all of them in memory either."""
    if paged_of(weights.pruned.model) is None:
        return []
    return [name for name, _ in decoder_layers(weights.skeleton)]


def write_files(
    weights: Weights, folder: Path, texts: dict[str, str], step: Callable[[str, str], Any]
) -> None:
    """Write weights, configuration, tokenizer and texts into a folder that is there."""
    step("save", "Writing the weights")
    shards = list(sharded(weights.entries(), SHARD))
    in_model = {file_name: name for name, file_name in weights.file_names.items()}
    files: dict[str, str] = {}
    for number, entries in enumerate(shards, 1):
        file = SINGLE if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        files |= {entry.name: file for entry in entries}
        write_safetensors(
            folder / file, entries, lambda name: weights.pieces(in_model[name]), {"format": "pt"}
        )
    if len(shards) > 1:
        size = sum(entry.nbytes for entries in shards for entry in entries)
        index = {"metadata": {"total_size": size}, "weight_map": files}
        (folder / f"{SINGLE}.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    _add_code(weights, folder)
    write_beside(weights, folder, texts)


def _add_code(weights: Weights, folder: Path) -> None:
    """The code that it takes to build the model; the configuration names it."""
    skeleton, model = weights.skeleton, weights.pruned.model
    if model.is_remote_code():
        custom_object_save(model, folder, config=skeleton.config)
    else:
        vars(skeleton.config).pop("auto_map", None)
    if weights.by_layer:
        name, text = modelling_file(skeleton)
        skeleton.config.auto_map = {"AutoModelForCausalLM": f"{MODULE}.{name}"}
        (folder / f"{MODULE}.py").write_text(text, encoding="utf-8")


def write_beside(weights: Weights, folder: Path, texts: Mapping[str, str]) -> None:
    """Write what stands beside the weights: the configuration, that of generation, the tokenizer, texts."""
    model, config = weights.pruned.model, weights.skeleton.config
    config.dtype = weights.pruned.formats.usual
    config.architectures = [type(model).__name__]
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    # A head with values of its own under a configuration that calls it tied is kept apart by
    # `from_pretrained` alone: other readers, and a resize of the vocabulary, tie it again without a word.
    if head is not None and head.weight is not embedding.weight:
        for each in (config, config.get_text_config()):
            each.tie_word_embeddings = False
    config.save_pretrained(folder)
    if model.can_generate():
        model.generation_config.save_pretrained(folder)
    weights.pruned.tokenizer.save_pretrained(folder)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Expected:
    """What a written model must be once it is loaded: its tensors' `digests` by name, its logits."""

    digests: Mapping[str, str]
    logits: torch.Tensor


def expected_of(weights: Weights, sample: Sample) -> Expected:
    """What is expected of the written model, from the one in memory."""
    return Expected(weights.digests(), expected_logits(weights.pruned, sample))


def expected_logits(pruned: Pruned, sample: Sample) -> torch.Tensor:
    """The logits [n, length, vocabulary] of the model in memory, with weights rounded as they are written."""
    with torch.no_grad(), as_written(pruned.model, pruned.formats):
        ids = sample.ids.to(device_of(pruned.model))
        logits: torch.Tensor = pruned.model(input_ids=ids, use_cache=False).logits.cpu()
    return logits


def check(
    expected: Expected, digests: Mapping[str, str], logits: torch.Tensor, dense: torch.Tensor | None
) -> None:
    """Raise PruningError unless a loaded model has the tensors and the logits that are expected."""
    if digests != expected.digests or not same_values(expected.logits, logits, dense):
        error = relative_error(expected.logits, logits, dense)
        raise PruningError(
            f"The written model, loaded again, differs from the one in memory (its logits by {error:.2g} of "
            "the dense model's spread); nothing was kept. Please report this with the model's name."
        )


def text_of(pruned: Pruned, sample: Sample) -> str:
    """A text that the tokenizer is tried on."""
    return str(pruned.tokenizer.decode(sample.ids[0].tolist()))


def check_tokens(pruned: Pruned, sample: Sample, tokenizer: Callable[[str], Any]) -> None:
    """Raise PruningError unless a loaded tokenizer reads a text as the one in memory does."""
    text = text_of(pruned, sample)
    if dict(tokenizer(text)) != dict(pruned.tokenizer(text)):
        raise PruningError("The written tokenizer, loaded again, reads text differently; nothing was kept.")


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bit pattern of each value, in integers: -0.0 is not 0, and what is no number equals itself."""
    return tensor.contiguous().view(BITS[tensor.element_size()])
