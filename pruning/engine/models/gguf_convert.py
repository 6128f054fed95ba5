"""A GGUF file as a folder of safetensors with tokenizer, made once and kept."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel

from pruning.engine.models.gguf.own import own_model, write_own_tokenizer
from pruning.errors import Cancelled, PruningError
from pruning.model_files.checkpoint import cache_folder
from pruning.model_files.gguf_header import OWN_CONFIG, Gguf, gguf_header
from pruning.progress import Progress, silent, stage

RECORD = "prunescope.json"
# Of a conversion, in twentieths: reading the tokenizer, unpacking, which takes most, and writing both.
UNPACKING, WRITING, ENDING, STEPS = 1, 16, 19, 20
# Values of tokenizer.ggml.pre whose text is split into single digits first, then as GPT-2 does. What the
# transformers reader does not know it splits as GPT-2 does only, which gives other tokens before digits.
_SINGLE_DIGITS = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}


def converted(source: Path, progress: Progress = silent) -> Path:
    """The folder made from the GGUF file `source`, converting it the first time it is seen.

    It is found again by the file's path, size and time of change. Raises PruningError when the file is
    damaged or of a kind that cannot be converted.
    """
    source = source.resolve()
    header = gguf_header(source)
    facts = source.stat()
    key = f"{source}\n{facts.st_size}\n{facts.st_mtime_ns}"
    name = f"{source.stem}-{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}"
    target = cache_folder() / "gguf" / name
    with being_made(target, progress) as folder:
        if folder is not None:
            convert(source, header, folder, progress)
            record = {"origin": "gguf", "source": str(source), "bytes": facts.st_size}
            (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return target


@contextmanager
def being_made(target: Path, progress: Progress = silent) -> Iterator[Path | None]:
    """Gives an empty folder that becomes `target` when the block ends well, or None when it is there.

    The block never runs twice at once for one target, in any process. After an error nothing is left;
    what a killed process left is removed the next time. Raises PruningError when the disk says no.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.lock"), progress):
            if target.is_dir():
                yield None
                return
            shutil.rmtree(partial, ignore_errors=True)
            try:
                partial.mkdir()
                yield partial
                os.replace(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise PruningError(
            f"{target} could not be written ({error}). Free some space there, or name another folder in "
            "PRUNESCOPE_HOME."
        ) from None


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    lock = FileLock(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            progress(0, 1, "Waiting for another process that is fetching the same model")
    try:
        yield
    finally:
        lock.release()


def convert(source: Path, header: Gguf, folder: Path, progress: Progress = silent) -> None:
    """Write the GGUF file `source` into `folder`: float32 safetensors, configuration and tokenizer."""
    heard = stage(progress, "convert", "Reading the tokenizer from the GGUF file")
    own = OWN_CONFIG in header.metadata
    try:
        tokenizer = None if own else _tokenizer(source, header)
        heard(UNPACKING, STEPS, "Unpacking the weights of the GGUF file; this is done once")
        model = own_model(source, header) if own else _model(source)
    except (Cancelled, PruningError):
        raise
    except Exception as error:  # every architecture fails in its own way
        architecture = header.metadata.get("general.architecture", "unknown")
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PruningError(
            f"{source} (architecture {architecture}) cannot be converted: {reason}. Give the model's "
            "safetensors folder or hub id instead."
        ) from None
    if not own:
        forget_quantization(model)
    heard(WRITING, STEPS, "Writing the weights as safetensors")
    model.save_pretrained(folder)
    heard(ENDING, STEPS, "Writing the tokenizer")
    if tokenizer is None:
        write_own_tokenizer(header, folder)
    else:
        tokenizer.save_pretrained(folder)
    heard(STEPS, STEPS, "Converted")


def _tokenizer(source: Path, header: Gguf) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    _split_digits(tokenizer, str(header.metadata.get("tokenizer.ggml.pre", "")))
    return tokenizer


def _model(source: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )


def forget_quantization(model: PreTrainedModel) -> None:
    """Take the marks of quantization off an unpacked model, *in place*, so that it can be saved."""
    for owner, name in ((model.config, "quantization_config"), (model, "hf_quantizer")):
        if hasattr(owner, name):
            delattr(owner, name)
    for name in ("is_quantized", "quantization_method"):
        model.__dict__.pop(name, None)


def _split_digits(tokenizer: Any, kind: str) -> None:
    if kind in _SINGLE_DIGITS:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
