"""A pruned model as a folder that from_pretrained loads: written aside, loaded again, compared, moved."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from pruning.engine.architecture.equivalence import relative_error, same_values
from pruning.engine.architecture.forward import device_of
from pruning.errors import PruningError

SPARE_BYTES = 64 * 2**20


def write_model(
    model: nn.Module,
    tokenizer: Any,
    out: Path,
    texts: dict[str, str],
    sample: torch.Tensor,
    step: Callable[[str, str], Any] = lambda stage, note: None,
) -> int:
    """Write a model as it now is to a new folder, which appears only once it has been verified.

    Before that it is loaded again and must have the very same weights and, but for rounding, the same logits.

    Parameters
    ----------
    model, tokenizer
        What is written; neither is changed.
    out
        The folder; it must not exist.
    texts
        More files by name: the recipe, the model card.
    sample
        Token windows [n, length] to compare the logits on.
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
    needed = sum(parameter.nbytes for parameter in model.parameters())
    with explained(out), aside(out, needed) as folder:
        write_files(model, tokenizer, folder, texts, step)
        step("verify", "Loading the written model and comparing it")
        dtype = next(model.parameters()).dtype
        again = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        verify(model, tokenizer, folder, sample, again)
        os.replace(folder, out)
    return sum(path.stat().st_size for path in out.glob("*.safetensors"))


def write_files(
    model: nn.Module, tokenizer: Any, folder: Path, texts: dict[str, str], step: Callable[[str, str], Any]
) -> None:
    """Write weights, configuration, tokenizer and texts into a folder that is there."""
    step("save", "Writing the weights")
    writer: Any = model
    with _tied_as_it_is(model):
        writer.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def _tied_as_it_is(model: nn.Module) -> Iterator[None]:
    """While it holds, the configuration says whether the head is the embedding; the old word comes back.

    A head with values of its own under a configuration that calls it tied is kept apart by `from_pretrained`
    alone: other readers, and a resize of the vocabulary, tie it again and lose it without a word.
    """
    holder: Any = model
    head, embedding = holder.get_output_embeddings(), holder.get_input_embeddings()
    apart = head is not None and head.weight is not embedding.weight
    configs = list({id(c): c for c in (holder.config, holder.config.get_text_config())}.values())
    before = [config.tie_word_embeddings for config in configs]
    try:
        for config, tied in zip(configs, before, strict=True):
            config.tie_word_embeddings = tied and not apart
        yield
    finally:
        for config, tied in zip(configs, before, strict=True):
            config.tie_word_embeddings = tied


def verify(model: nn.Module, tokenizer: Any, folder: Path, sample: torch.Tensor, again: Any) -> None:
    """Raise PruningError unless `again`, loaded from `folder`, gives the logits of the model in memory.

    The tokenizer of the folder must read a text as the one in memory does.
    """
    again = again.to(device_of(model)).eval()
    ids = sample.to(device_of(model))
    with torch.no_grad():
        expected = model(input_ids=ids, use_cache=False).logits
        given = again(input_ids=ids, use_cache=False).logits
    if not (_same_weights(model, again) and same_values(expected, given)):
        error = relative_error(expected, given)
        raise PruningError(
            f"The written model, loaded again, differs from the one in memory (its logits by {error:.2g} of "
            "their spread); nothing was kept. Please report this with the model's name."
        )
    text = tokenizer.decode(sample[0].tolist())
    if AutoTokenizer.from_pretrained(folder, local_files_only=True)(text) != tokenizer(text):
        raise PruningError("The written tokenizer, loaded again, reads text differently; nothing was kept.")


def _same_weights(model: nn.Module, again: nn.Module) -> bool:
    """Whether both have the same tensors under the same names, bit for bit."""
    ours, theirs = model.state_dict(), again.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(tensor, theirs[name]) for name, tensor in ours.items()
    )


@contextmanager
def aside(out: Path, needed: int) -> Iterator[Path]:
    """A temporary folder beside `out`, with room for `needed` bytes; deleted in the end unless moved.

    Raises PruningError where `out` exists or the disk has too little room.
    """
    if out.exists():
        raise PruningError(f"{out} exists already. Choose another name or remove it first.")
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if free < needed + SPARE_BYTES:
        raise PruningError(
            f"The disk of {out.parent} has {free / 1e9:.2f} GB left and the model takes "
            f"{needed / 1e9:.2f} GB. Make room or choose another folder."
        )
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def explained(out: Path) -> Iterator[None]:
    """Errors of the disk as a PruningError that names `out`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PruningError(
            f"The model could not be written to {out}: {reason}. Nothing was left behind."
        ) from None
