"""Forward passes that never hold tokens x vocabulary at once, and that can start in the middle."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.architecture.groups import decoder_layers
from pruning.errors import PruningError

Head = Callable[[torch.Tensor], torch.Tensor]
BATCH_TOKENS = 1024


def hidden_states(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """What the head sees for token windows `ids` [n, length]: [n, length, hidden]."""
    base: nn.Module = model.base_model  # type: ignore[assignment]
    return base(input_ids=ids.to(device_of(model)), use_cache=False).last_hidden_state


def head_of(model: nn.Module) -> Head:
    """The step from hidden states [..., hidden] to logits [..., vocabulary].

    Checked against the model's own logits on four tokens.

    Raises
    ------
    PruningError
        When a family does something to its logits that is not understood here.
    """
    embedding = model.get_output_embeddings()  # type: ignore[operator]
    config: Any = model.config.get_text_config()  # type: ignore[union-attr, operator]
    cap = getattr(config, "final_logit_softcapping", None)
    scaling = getattr(config, "logits_scaling", None)

    def head(hidden: torch.Tensor) -> torch.Tensor:
        logits = embedding(hidden)
        if scaling:
            logits = logits / scaling
        return torch.tanh(logits / cap) * cap if cap else logits

    ids = torch.arange(4, device=device_of(model)).unsqueeze(0) + 1
    with torch.no_grad():
        expected = model(input_ids=ids, use_cache=False).logits
        given = head(hidden_states(model, ids))
    if not same_values(expected, given):
        raise PruningError(f"How {type(model).__name__} turns hidden states into logits is not understood.")
    return head


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def batches(windows: torch.Tensor, tokens: int = BATCH_TOKENS) -> Iterator[torch.Tensor]:
    """Slices of token windows [n, length] with at most `tokens` tokens each (at least one window)."""
    yield from windows.split(max(1, tokens // windows.shape[1]))


def run(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """Hidden states before the head for all `windows` [n, length]: [n, length, hidden], no gradients."""
    with torch.no_grad():
        return torch.cat([hidden_states(model, batch) for batch in batches(windows)])


def layer_inputs(
    model: nn.Module, windows: torch.Tensor, layers: Sequence[int]
) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    """One dense pass: the input [n, length, hidden] of each layer in `layers`, and the final states."""
    inputs: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    modules = [module for _, module in decoder_layers(model)]
    with ExitStack() as stack:
        for layer, into in inputs.items():

            def keep(_: nn.Module, args: tuple, kwargs: dict, into: list[torch.Tensor] = into) -> None:
                into.append((args[0] if args else kwargs["hidden_states"]).detach())

            handle = modules[layer].register_forward_pre_hook(keep, with_kwargs=True)
            stack.callback(handle.remove)
        final = run(model, windows)
    return {layer: torch.cat(parts) for layer, parts in inputs.items()}, final


def layer_outputs(model: nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    """What comes out of every layer [n, length, hidden] for token windows `ids` [n, length], no gradients."""
    outputs: list[torch.Tensor] = []

    def keep(_: nn.Module, __: tuple, output: Any) -> None:
        outputs.append((output[0] if isinstance(output, tuple) else output).detach())

    with ExitStack() as stack, torch.no_grad():
        for _, module in decoder_layers(model):
            stack.callback(module.register_forward_hook(keep).remove)
        hidden_states(model, ids)
    return outputs


def run_from(model: nn.Module, windows: torch.Tensor, layer: int, inputs: torch.Tensor) -> torch.Tensor:
    """As `run`, but layers before `layer` are skipped and it is given `inputs` [n, length, hidden]."""
    parts = []
    for ids, given in zip(batches(windows), batches_like(inputs, windows), strict=True):
        with starting_at(model, layer, given), torch.no_grad():
            parts.append(hidden_states(model, ids))
    return torch.cat(parts)


def batches_like(values: torch.Tensor, windows: torch.Tensor) -> Iterator[torch.Tensor]:
    """Slices of `values` [n, ...] that go with `batches(windows)`."""
    yield from values.split(max(1, BATCH_TOKENS // windows.shape[1]))


@contextmanager
def starting_at(model: nn.Module, layer: int, inputs: torch.Tensor) -> Iterator[None]:
    """While open, the model skips the layers before `layer`, which it feeds `inputs` [n, length, hidden].

    Closing restores it.
    """
    modules = [module for _, module in decoder_layers(model)]

    def replace(_: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if args:
            return (inputs, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": inputs}

    handle = modules[layer].register_forward_pre_hook(replace, with_kwargs=True)
    try:
        with skipping_layers(model, range(layer)):
            yield
    finally:
        handle.remove()


@contextmanager
def skipping_layers(model: nn.Module, layers: Iterable[int]) -> Iterator[None]:
    """While open, these decoder layers do nothing; closing restores them."""
    modules = decoder_layers(model)
    skipped = [modules[layer][1] for layer in layers]
    try:
        for module in skipped:
            module.forward = _pass_over
        yield
    finally:
        for module in skipped:
            module.__dict__.pop("forward", None)


@contextmanager
def ending_with(model: nn.Module, states: torch.Tensor) -> Iterator[None]:
    """While open, `states` [n, length, hidden] come out of the last decoder layer, whatever the model reads.

    No layer runs. Closing restores them.
    """
    modules = decoder_layers(model)
    with skipping_layers(model, range(len(modules))):
        modules[-1][1].forward = lambda *_, **__: states
        yield


def _pass_over(hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return hidden_states
