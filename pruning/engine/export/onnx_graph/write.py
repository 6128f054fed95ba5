"""A pruned model as a folder with an ONNX graph; it appears once onnxruntime has run it and agrees."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from transformers import AutoTokenizer

from pruning.engine.architecture.safetensors_file import as_bytes
from pruning.engine.export.folder import (
    Sample,
    check_tokens,
    expected_logits,
    write_beside,
)
from pruning.engine.export.new_folder import new_folder
from pruning.engine.export.onnx_graph.trace import trace
from pruning.engine.export.onnx_graph.verify import check_runs
from pruning.engine.export.weights import Pruned, Weights

GRAPH, DATA = "model.onnx", "model.onnx_data"
# Weights begin at whole pages of memory, so that a reader may map them instead of reading them; small ones
# stand close together.
_PAGE, _SMALL = 4096, 2**20
_TYPES = {
    torch.float32: ir.DataType.FLOAT,
    torch.float16: ir.DataType.FLOAT16,
    torch.bfloat16: ir.DataType.BFLOAT16,
}


def write_onnx(
    pruned: Pruned,
    out: Path,
    texts: dict[str, str],
    sample: Sample,
    step: Callable[[str, str], Any] = lambda stage, note: None,
) -> dict[str, float]:
    """Write a model to a new folder as one graph for prefill and decode; as `write_model` else.

    Before the folder appears onnxruntime has run the graph in a process of its own, and its logits were those
    of the model in memory, computed at once and token by token with the cache.

    Returns
    -------
    `bytes` of the graph and its weights; `logit_error`: the largest difference of any logit.

    Raises
    ------
    PruningError
        The folder exists, the disk has too little room, the family cannot be traced, or the logits differ.
    """
    out = out.expanduser().absolute()
    weights = Weights.of(pruned, described=False)
    with new_folder(out, sum(entry.nbytes for entry in weights.entries())) as folder:
        step("save", "Tracing the graph")
        vars(weights.skeleton.config).pop("auto_map", None)  # no code goes with it
        write_beside(weights, folder, texts)
        model = trace(weights)
        step("save", "Writing the weights")
        _write_weights(model.graph, weights, folder)
        ir.save(model, folder / GRAPH)
        step("verify", "Running the graph in onnxruntime and comparing it")
        error = check_runs(folder, expected_logits(pruned, sample), sample)
        check_tokens(pruned, sample, AutoTokenizer.from_pretrained(folder, local_files_only=True))
    return {"bytes": sum((out / name).stat().st_size for name in (GRAPH, DATA)), "logit_error": error}


def _write_weights(graph: ir.Graph, weights: Weights, folder: Path) -> None:
    """Write what has no value yet to one file; *in place* the graph reads it from there.

    All are in that file and none in the graph, which the format limits to 2 GB. They keep their number
    format: where it is not float32 the graph begins with a conversion, which onnxruntime does once, when it
    loads.
    """
    first = graph[0]
    with (folder / DATA).open("wb") as file:
        for value in [value for value in graph.initializers.values() if value.const_value is None]:
            name, dtype = str(value.name), weights.dtype_of(str(value.name))
            shape = ir.Shape(weights.skeleton.get_parameter(name).shape)
            length = math.prod(shape.numpy()) * dtype.itemsize
            if length >= _SMALL:
                file.write(bytes(-file.tell() % _PAGE))
            start = file.tell()
            for piece in weights.pieces(name):
                file.write(as_bytes(piece))
            if file.tell() != start + length:
                raise ValueError(f"{name} has {file.tell() - start} bytes, not {length}")
            stored = ir.ExternalTensor(
                DATA, start, length, _TYPES[dtype], shape=shape, name=name, base_dir=folder
            )
            _read_from(graph, value, stored, first)


def _read_from(graph: ir.Graph, value: ir.Value, stored: ir.ExternalTensor, first: ir.Node) -> None:
    """*In place*: a value comes from a stored tensor, by a node before `first` where that is not float32."""
    if stored.dtype == ir.DataType.FLOAT:
        value.const_value = stored
        return
    source = ir.Value(
        name=value.name, type=ir.TensorType(stored.dtype), shape=value.shape, const_value=stored
    )
    del graph.initializers[str(value.name)]
    graph.register_initializer(source)
    cast = ir.node("Cast", [source], {"to": ir.DataType.FLOAT.value})
    cast.outputs[0].name = f"{value.name}.float32"
    cast.outputs[0].type, cast.outputs[0].shape = value.type, value.shape
    graph.insert_before(first, cast)
    value.replace_all_uses_with(cast.outputs[0])
