"""The graph of a decoder that reads with its cache, traced by torch from shapes alone."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.passes import common
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import DynamicCache

from pruning.engine.export.weights import Weights, earlier_names
from pruning.errors import PruningError

IDS, MASK, LOGITS = "input_ids", "attention_mask", "logits"
PAST, PRESENT = "past_key_values", "present"
# Sizes that nothing else has, so that none is taken for a constant or for another.
_BATCH, _SEQUENCE, _PAST = 2, 3, 5
_PREFIX = "model."
_KINDS = ("key", "value")


class _Cached(nn.Module):
    """The model with its cache as plain tensors that come in and go out, keys and values by layer."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        # Counted from the first token that is not masked, so that texts may be padded on the left.
        positions = (attention_mask.cumsum(-1) - 1).clamp_min(0)[:, -input_ids.shape[1] :]
        said = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        return said.logits, *_tensors(cache)


def trace(weights: Weights) -> ir.Model:
    """The graph of what is written, for any batch, sequence and past, which may be empty.

    Parameters
    ----------
    weights
        What is written; *in place* its skeleton gets other parameters, which have no values either.

    Returns
    -------
    The graph, computing in float32. Each weight is an initializer without a value, by its name in the
    skeleton; of tied ones there is one.

    Raises
    ------
    PruningError
        torch cannot trace the family.
    """
    # Shapes with unknown sizes are seldom the same again: a trace without this cache takes a fifth less time.
    with torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
        fake = FakeTensorMode(allow_non_fake_inputs=True)
    _without_values(weights, fake)
    skeleton = weights.skeleton
    try:
        with _quiet(), torch.no_grad():
            inputs, shapes = _inputs(skeleton, fake)
            names = [f"{PAST}.{layer}.{kind}" for layer in range(len(inputs) // 2 - 1) for kind in _KINDS]
            program: Any = torch.onnx.export(
                _Cached(skeleton).eval(),
                inputs,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=[IDS, MASK, *names],
                output_names=[LOGITS, *(name.replace(PAST, PRESENT) for name in names)],
                optimize=False,
                verbose=False,
            )
            _name_weights(program.model.graph, skeleton)
            program.optimize()
            # Lines of the sources that each node was traced from are most of the file.
            common.ClearMetadataAndDocStringPass()(program.model)
    except Exception as error:  # each family fails in its own way
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PruningError(
            f"torch cannot trace {type(skeleton).__name__} as a graph that holds for any length ({why}). "
            "Export to hf instead."
        ) from error
    graph: ir.Model = program.model
    return graph


def _tensors(cache: Any) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def _name_weights(graph: ir.Graph, skeleton: nn.Module) -> None:
    """*In place*: weights get their names in the skeleton, and lose what stood for their values."""
    names = {name for name, _ in skeleton.named_parameters(remove_duplicate=False)}
    for name, value in [*graph.initializers.items()]:
        value.name = name.removeprefix(_PREFIX)
        if value.name in names:
            value.const_value = None


def _without_values(weights: Weights, fake: FakeTensorMode) -> None:
    """*In place*: float32 parameters on the processor that hold nothing, and buffers with their values."""
    made: dict[int, nn.Parameter] = {}
    ours, before = dict(weights.pruned.model.named_buffers()), earlier_names(weights.pruned)
    for path, module in weights.skeleton.named_modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if id(parameter) not in made:
                with fake:
                    made[id(parameter)] = nn.Parameter(torch.empty(parameter.shape), requires_grad=False)
            module._parameters[name] = made[id(parameter)]
        for name, _ in module.named_buffers(recurse=False):
            values = ours[before(f"{path}.{name}".lstrip("."))].cpu()
            module._buffers[name] = values.float() if values.is_floating_point() else values


def _inputs(skeleton: Any, fake: FakeTensorMode) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    """Inputs to trace with, and what their sizes are called."""
    ids = torch.ones(_BATCH, _SEQUENCE, dtype=torch.long)
    mask = torch.ones(_BATCH, _PAST + _SEQUENCE, dtype=torch.long)
    cache = DynamicCache()
    with fake:  # says how wide each layer's are
        skeleton(input_ids=ids, past_key_values=cache, use_cache=True)
    past = [torch.zeros(_BATCH, kept.shape[1], _PAST, kept.shape[3]) for kept in _tensors(cache)]
    shapes: dict[str, Any] = {IDS: {0: "batch", 1: "sequence"}, MASK: {0: "batch", 1: "total"}}
    return (ids, mask, *past), {**shapes, "past": tuple({0: "batch", 2: "past"} for _ in past)}


@contextmanager
def _quiet() -> Iterator[None]:
    """What torch says of its own insides is not for whoever exports a model."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)
