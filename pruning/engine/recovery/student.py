"""The student: a copy of a model whose groups are trained while their pruned weights are held at zero."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pruning.engine.architecture.groups import GroupInfo, Part, group_weight
from pruning.engine.criteria.movement import add_step
from pruning.engine.masking.change import WeightChange
from pruning.engine.masking.masks import zeros_of
from pruning.errors import PruningError
from pruning.planning.recipe.plan import Group


class Student:
    """A float32 copy of a model with a change applied, ready to be trained; the model itself is not touched.

    Trained are the weights of the groups, or low-rank updates of them; embeddings, norms and biases are kept
    as they are.

    Parameters
    ----------
    model, groups
        The dense model and its groups.
    change
        What is pruned before the first step; its masks are held at zero.
    lora
        The rank of low-rank updates (Hu et al. 2021, "LoRA", arXiv 2106.09685); 0 trains whole weights.

    Raises
    ------
    PruningError
        `lora` is above 0 and peft is not installed.
    """

    def __init__(
        self, model: nn.Module, groups: Sequence[GroupInfo], change: WeightChange, lora: int = 0
    ) -> None:
        copied: Any = copy.deepcopy(model)
        self.model = copied.float().eval().requires_grad_(False)
        self.groups = list(groups)
        self._modules: dict[str, Any] = {
            part.module: self.model.get_submodule(part.module) for group in groups for part in group.parts
        }
        self._pruned: dict[str, torch.Tensor] = {}
        # What was zero when the model came is held as well.
        self._zeros = {group.key: zeros_of(group_weight(model, group)) for group in groups}
        self._adapted = False
        self.put(change.weights)
        self.remove(change.removed)
        with torch.no_grad():
            for name in change.biases:
                self.model.get_submodule(name).bias.zero_()
        if lora:
            self._adapt(lora)
        self._trained = self._choose_trained()

    @property
    def trained(self) -> Mapping[str, nn.Parameter]:
        """What the optimizer moves, by name."""
        return self._trained

    def remove(self, removed: Mapping[Group, torch.Tensor]) -> None:
        """Hold just these weights (bool [out, in] by group) at zero from now on, *in place*."""
        self._pruned = {
            name: torch.zeros_like(base_of(module).weight, dtype=torch.bool)
            for name, module in self._modules.items()
        }
        for group in self.groups:
            mask, zeros = removed.get(group.key), self._zeros[group.key]
            if mask is not None and zeros is not None:
                mask = mask.to(zeros.device) | zeros
            mask = zeros if mask is None else mask
            if mask is not None:
                self._write(group, self._pruned, mask)
        self.hold()

    def put(self, weights: Mapping[Group, torch.Tensor]) -> None:
        """Give the groups these weights [out, in], *in place*; what is pruned is held at zero."""
        with torch.no_grad():
            current = {name: base_of(module).weight for name, module in self._modules.items()}
            for group in self.groups:
                weight = weights.get((group.layer, group.kind))
                if weight is not None:
                    self._write(group, current, weight)
        self.hold()

    def hold(self) -> None:
        """Zero what is pruned, *in place*."""
        with torch.no_grad():
            for name, module in self._modules.items():
                if name in self._pruned:
                    base_of(module).weight.masked_fill_(self._pruned[name], 0)

    def mask_gradients(self) -> None:
        """Zero the gradients of what is pruned, so that they neither count as length nor leave momentum."""
        for name, module in self._modules.items():
            grad = base_of(module).weight.grad
            if grad is not None:
                grad.masked_fill_(self._pruned[name], 0)

    def removed(self) -> dict[Group, torch.Tensor]:
        """What is held at zero, bool [out, in] by group; groups in which nothing is are left out."""
        masks = {(group.layer, group.kind): self._read(group, self._pruned) for group in self.groups}
        return {key: mask for key, mask in masks.items() if bool(mask.any())}

    def weights(self) -> dict[Group, torch.Tensor]:
        """Copies of the groups' weights [out, in] as they now are, low-rank updates merged in."""
        with torch.no_grad():
            now = {name: self._effective(name) for name in self._modules}
            return {(group.layer, group.kind): self._read(group, now) for group in self.groups}

    def follow(self, movement: Mapping[Group, torch.Tensor]) -> None:
        """Add −w · ∂L/∂w, from the gradients that are there, to records [out, in] by group, *in place*."""
        weights = {name: module.weight.detach() for name, module in self._modules.items()}
        slopes = {name: module.weight.grad for name, module in self._modules.items()}
        for group in self.groups:
            record = movement[group.layer, group.kind]
            add_step(record, self._read(group, weights), self._read(group, slopes))

    def _effective(self, name: str) -> torch.Tensor:
        """The weight that module `name` computes with, in the module's own layout."""
        module = self._modules[name]
        weight = base_of(module).weight
        if self._adapted:
            weight = weight + module.get_delta_weight("default")
        return weight.masked_fill(self._pruned[name], 0)

    def _choose_trained(self) -> dict[str, nn.Parameter]:
        if not self._adapted:
            for module in self._modules.values():
                module.weight.requires_grad_(True)
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def _adapt(self, rank: int) -> None:
        """Put low-rank updates beside every weight, *in place*, under the same mask as the weight.

        A plain adapter would fill the zeros and lose them again when it is merged.
        """
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise PruningError(
                "Low-rank recovery needs the package peft. Install it (pip install 'prunescope[lora]'), or "
                "leave lora at 0 to train whole weights."
            ) from error
        transposed = any(isinstance(module, Conv1D) for module in self._modules.values())
        inject_adapter_in_model(
            LoraConfig(
                r=rank, lora_alpha=2 * rank, target_modules=list(self._modules), fan_in_fan_out=transposed
            ),
            self.model,
        )
        self._adapted = True
        self._modules = {name: self.model.get_submodule(name) for name in self._modules}
        for name, module in self._modules.items():
            module.forward = self._masked_forward(name, module)

    def _masked_forward(self, name: str, module: nn.Module) -> Any:
        base = base_of(module)

        def forward(given: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            weight = self._effective(name)
            return nn.functional.linear(given, weight.T if isinstance(base, Conv1D) else weight, base.bias)

        return forward

    def _write(self, group: GroupInfo, into: Mapping[str, torch.Tensor], values: torch.Tensor) -> None:
        start = 0
        for part in group.parts:
            view = self._view(part, into[part.module].detach())
            view.copy_(values[start : start + view.shape[0]])
            start += view.shape[0]

    def _read(self, group: GroupInfo, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([self._view(part, tensors[part.module]) for part in group.parts])

    def _view(self, part: Part, tensor: torch.Tensor) -> torch.Tensor:
        """The rows [out, in] of `part` in a tensor that is laid out as the module's weight is."""
        if isinstance(base_of(self._modules[part.module]), Conv1D):
            tensor = tensor.T
        return tensor if part.rows is None else tensor[part.rows[0] : part.rows[1]]


def base_of(module: nn.Module) -> Any:
    """The linear module itself, without the adapter around it."""
    return getattr(module, "base_layer", module)
