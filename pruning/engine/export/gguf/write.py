"""A model as a folder with one GGUF file, its recipe and its card; it appears once llama.cpp agrees."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import nn

from pruning.engine.export.gguf.hyperparameters import add_hyperparameters
from pruning.engine.export.gguf.pre_tokenizer import choose
from pruning.engine.export.gguf.tokenizer import add_tokenizer
from pruning.engine.export.gguf.verify import check_written
from pruning.engine.export.new_folder import new_folder
from pruning.engine.llamacpp.engine import LlamaCpp, llama_cpp
from pruning.engine.models.gguf.layout import Layout, layout_of
from pruning.engine.models.gguf.numbers import FILE_TYPES, Kind, bytes_of, kind_of, stored
from pruning.engine.models.gguf.own import FILES, TOKENIZER_JSON
from pruning.engine.models.gguf.tensors import Stored, rotary_factors, stored_tensors
from pruning.model_files.gguf_header import OWN_CONFIG

Step = Callable[[str, str], Any]


@dataclass(frozen=True)
class GgufFormat:
    """GGUF with numbers of one of `FORMATS`."""

    numbers: str = "f16"

    def size(self, model: nn.Module) -> int:
        """Bytes of a model's tensors in this format."""
        return sum(_bytes(tensor, kind) for tensor, kind in self._tensors(model, layout_of(model)))

    def _tensors(self, model: nn.Module, layout: Layout) -> list[tuple[Stored, Kind]]:
        tensors = stored_tensors(model, layout)
        return [(tensor, kind_of(tensor.name, tensor.shape, self.numbers)) for tensor in tensors]

    def write(
        self,
        model: nn.Module,
        tokenizer: Any,
        out: Path,
        texts: dict[str, str],
        sample: torch.Tensor,
        step: Step = lambda stage, note: None,
    ) -> dict[str, float]:
        """Write a model as it now is to a new folder, which appears once llama.cpp has agreed with it.

        Parameters and errors are those of `write_model`, and it raises PruningError too where llama.cpp is
        not installed, has no form for the model, or computes something else.

        Returns
        -------
        `bytes` of the file, and how far llama.cpp's figures are from ours: see `check_written`.
        """
        out = out.expanduser().absolute()
        tensors = self._tensors(model, layout_of(model))
        with llama_cpp() as engine, new_folder(out, self.size(model)) as folder:
            path = folder / f"{out.name}-{self.numbers}.gguf"
            step("save", "Writing the GGUF file")
            self.write_file(path, model, tokenizer, engine, choose(engine, tokenizer, folder))
            for name, text in texts.items():
                (folder / name).write_text(text, encoding="utf-8")
            step("verify", "Loading the file in llama.cpp and comparing it")
            agreement = check_written(
                engine, path, model, tokenizer, sample, [tensor for tensor, _ in tensors]
            )
        return {"bytes": (out / path.name).stat().st_size, **agreement}

    def write_file(
        self, path: Path, model: nn.Module, tokenizer: Any, engine: LlamaCpp, pre: str = "default"
    ) -> None:
        """Write the file alone and check nothing; `pre`: what llama.cpp calls the tokenizer's rules."""
        layout = layout_of(model)
        with _writer(path, model, tokenizer, layout, pre) as writer:
            writer.add_file_type(FILE_TYPES[self.numbers])
            _write_tensors(writer, model, self._tensors(model, layout), engine)


def bytes_beside(model: nn.Module, tokenizer: Any) -> int:
    """Bytes of a model's file that are not its weights: tokenizer, configuration, names, padding.

    They hardly depend on the number format and the plan: a name more or less. Raises PruningError where
    llama.cpp has no form for the model or its tokenizer.
    """
    layout = layout_of(model)
    tensors = [(tensor, Kind.F32) for tensor in stored_tensors(model, layout)]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "beside.gguf")
        with _writer(path, model, tokenizer, layout, "default") as writer:
            writer.add_file_type(FILE_TYPES["f32"])
            factors = _announce(writer, model, tensors)
            padded = [writer.ggml_pad(values.nbytes, writer.data_alignment) for _, values in factors]
            padded += [-_bytes(*each) % writer.data_alignment for each in tensors]
        return int(writer.ggml_pad(path.stat().st_size, writer.data_alignment)) + sum(padded)


class _Writer(gguf.GGUFWriter):
    """Closes its file at the end of a `with` block, whatever happens."""

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.fout or ():
            file.close()


def _writer(path: Path, model: nn.Module, tokenizer: Any, layout: Layout, pre: str) -> _Writer:
    """A writer that holds all metadata."""
    holder: Any = model
    writer = _Writer(path, layout.architecture)
    writer.add_name(path.stem)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_hyperparameters(writer, model, layout)
    add_tokenizer(writer, tokenizer, holder.get_input_embeddings().weight.shape[0], pre)
    config = json.loads(holder.config.to_json_string(use_diff=False))
    config["architectures"] = [type(model).__name__]
    config.pop("auto_map", None)  # code that is not in the file
    generation = getattr(holder, "generation_config", None)
    files = _tokenizer_files(tokenizer)
    writer.add_string(TOKENIZER_JSON, files.pop("tokenizer.json"))
    if generation is not None:
        files["generation_config.json"] = generation.to_json_string()
    writer.add_string(FILES, json.dumps(files))
    writer.add_string(OWN_CONFIG, json.dumps(config))
    return writer


def _tokenizer_files(tokenizer: Any) -> dict[str, str]:
    """The text of the files that a tokenizer is saved in."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted(Path(folder).iterdir())
            if path.suffix in (".json", ".jinja", ".txt")
        }


def _write_tensors(
    writer: gguf.GGUFWriter, model: nn.Module, tensors: Sequence[tuple[Stored, Kind]], engine: LlamaCpp
) -> None:
    """Announce all tensors and write them, one in memory at a time."""
    for _, values in _announce(writer, model, tensors):
        writer.write_tensor_data(values)
    for tensor, kind in tensors:
        values = tensor.values(model.get_parameter)
        writer.write_tensor_data(stored(tensor.name, values, kind, engine.quantize))


def _announce(
    writer: gguf.GGUFWriter, model: nn.Module, tensors: Sequence[tuple[Stored, Kind]]
) -> list[tuple[str, np.ndarray]]:
    """Write all that stands before the tensors; returns those that are no parameters, which come first."""
    factors = list(rotary_factors(model))
    for name, values in factors:
        writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
    for tensor, kind in tensors:
        plain = kind == Kind.F32
        shape = tensor.shape if plain else bytes_of(tensor.shape, kind)
        dtype = np.dtype(np.float32 if plain else np.uint8)
        writer.add_tensor_info(tensor.name, shape, dtype, _bytes(tensor, kind), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return factors


def _bytes(tensor: Stored, kind: Kind) -> int:
    return int(np.prod(bytes_of(tensor.shape, kind)))
