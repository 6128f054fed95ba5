"""The gradient of every weight: how much the loss on the calibration text depends on it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pruning.engine.architecture.forward import Head, batches, head_of, hidden_states
from pruning.engine.architecture.groups import GroupInfo, view_of
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group
from pruning.progress import Progress, silent

BATCH_TOKENS = 512
CHUNK = 256


def collect(
    model: nn.Module,
    groups: Sequence[GroupInfo],
    calibration: torch.Tensor,
    progress: Progress = silent,
    share: tuple[int, int] = (0, 1),
) -> dict[Group, torch.Tensor]:
    """Σ |∂L/∂w| of every group over batches of the calibration windows.

    L is the mean cross-entropy of the next token within a batch of `BATCH_TOKENS` tokens. Every batch has
    gradients of its own. Memory: one float32 number for each prunable weight, the activations of
    one batch, and the gradient of one module at a time. The weights are not changed.

    Parameters
    ----------
    model, groups
        The dense model and its groups.
    calibration
        Token windows [n, length].
    share
        (which, of how many) shares of the batches; the sums of all shares add up to those of the whole.

    Returns
    -------
    By group, sums [out, in] in nats per unit of weight, higher = the loss depends more on it.
    """
    head = head_of(model)
    names = {part.module for group in groups for part in group.parts}
    parts, (which, many) = list(batches(calibration, BATCH_TOKENS)), share
    parts = parts[len(parts) * which // many : len(parts) * (which + 1) // many]
    total, done = sum(ids.numel() for ids in parts), 0
    with _summed(model, names) as sums:
        for ids in parts:
            _backward(model, head, ids)
            done += ids.numel()
            progress(done, total, "Reading the calibration text for gradients")
    return {
        (group.layer, group.kind): torch.cat(
            [view_of(model, part, sums[part.module]) for part in group.parts]
        ).contiguous()
        for group in groups
    }


def shares(calibration: torch.Tensor) -> int:
    """Into how many shares `collect` can take the calibration windows [n, length] apart."""
    return len(list(batches(calibration, BATCH_TOKENS)))


def plus(total: dict[Group, torch.Tensor], more: dict[Group, torch.Tensor]) -> dict[Group, torch.Tensor]:
    """The sums of `total`, to which in place those of another share are added."""
    for group, sums in more.items():
        total[group] += sums
    return total


@contextmanager
def _summed(model: nn.Module, names: set[str]) -> Iterator[Mapping[str, torch.Tensor]]:
    """While open, sums of |∂L/∂w| of the named modules; a gradient is freed as soon as it has been added."""
    weights: dict[str, nn.Parameter] = {name: model.get_submodule(name).weight for name in names}  # type: ignore[misc]
    before = {name: weight.requires_grad for name, weight in weights.items()}
    sums = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    hooks = []
    try:
        for name, weight in weights.items():

            def add(parameter: torch.Tensor, total: torch.Tensor = sums[name]) -> None:
                if parameter.grad is not None:
                    total += parameter.grad.abs()
                parameter.grad = None

            weight.requires_grad_(True)
            hooks.append(weight.register_post_accumulate_grad_hook(add))
        yield sums
    finally:
        for hook in hooks:
            hook.remove()
        for name, weight in weights.items():
            weight.requires_grad_(before[name])
            weight.grad = None


def _backward(model: nn.Module, head: Head, ids: torch.Tensor) -> None:
    """Send back the gradient of the mean cross-entropy of `ids`; logits exist for `CHUNK` tokens at once."""
    with torch.enable_grad():
        hidden = hidden_states(model, ids)
    states = hidden.detach()[:, :-1].flatten(0, 1)
    targets = ids[:, 1:].flatten().to(states.device)
    gradients = []
    for part, target in zip(states.split(CHUNK), targets.split(CHUNK), strict=True):
        part = part.clone().requires_grad_(True)
        with torch.enable_grad():
            loss = nn.functional.cross_entropy(head(part).float(), target, reduction="sum") / len(targets)
        gradients.append(torch.autograd.grad(loss, part)[0])
    sent = torch.zeros_like(hidden)
    sent[:, :-1] = torch.cat(gradients).view_as(sent[:, :-1])
    hidden.backward(sent)


def save(gradients: Mapping[Group, torch.Tensor], path: Path) -> None:
    """Write to a safetensors file, whole or not at all."""
    tensors = {f"{layer}.{kind}": values.cpu() for (layer, kind), values in gradients.items()}
    write_whole(path, lambda draft: save_file(tensors, draft), "The gradients")


def load(path: Path, device: torch.device | str = "cpu") -> dict[Group, torch.Tensor]:
    """Read what `save` wrote. Raises PruningError when the file is missing or damaged."""
    try:
        tensors = load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise PruningError(f"The gradients in {path} cannot be read ({error}). Remove the file.") from None
    gradients: dict[Group, torch.Tensor] = {}
    for name, values in tensors.items():
        layer, kind = name.split(".")
        gradients[int(layer), kind] = values
    return gradients
