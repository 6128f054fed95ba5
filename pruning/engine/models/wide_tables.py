"""Embeddings and heads that stay in the checkpoint's number format while the model computes in a wider one.

Of a large vocabulary they are the largest tensors, and are needed as a whole where layers come and go. What
is computed is what the widened weights would give, bit for bit but for the order of sums.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

# Rows of a head that are widened at once: 64 MB in float32 for 4,096 features.
ROWS = 4096


def compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Let an embedding or a linear head, whose weight is narrower, compute in `dtype`, *in place*."""
    module.forward = _looking_up(module, dtype) if isinstance(module, nn.Embedding) else _multiplying(module)


def _looking_up(module: nn.Embedding, dtype: torch.dtype) -> Any:
    """The module's own forward, on the rows that are asked for alone, widened."""

    def forward(ids: torch.Tensor) -> torch.Tensor:
        unique, inverse = ids.unique(return_inverse=True)
        whole = module._parameters["weight"]
        rows = nn.Parameter(module.weight.detach()[unique].to(dtype), requires_grad=False)
        try:
            module._parameters["weight"] = rows
            looked_up: torch.Tensor = type(module).forward(module, inverse)
        finally:
            module._parameters["weight"] = whole
        return looked_up

    return forward


def _multiplying(module: nn.Module) -> Any:
    def forward(states: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = _WidenedLinear.apply(states, module.weight)
        bias = module._parameters.get("bias")
        return product if bias is None else product + bias.to(product.dtype)

    return forward


class _WidenedLinear(torch.autograd.Function):
    """x Wᵀ, with some rows of W widened at a time, forwards and backwards; W gets no gradient."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return torch.cat(
            [functional.linear(states, rows.to(states.dtype)) for rows in weight.split(ROWS)], dim=-1
        )

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        (gradient,) = gradients
        total = torch.zeros(
            *gradient.shape[:-1], weight.shape[1], dtype=gradient.dtype, device=gradient.device
        )
        for part, rows in zip(gradient.split(ROWS, dim=-1), weight.split(ROWS), strict=True):
            total += part @ rows.to(gradient.dtype)
        return total, None
