"""Rows of numbers in a byte each, for samples whose own noise is far above what that rounds away."""

import torch

STEPS = 127


def rows_in_bytes(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [n, m] as int8 codes [n, m], and the largest absolute value of each row [n], float32.

    A code is 127 √(|v| / largest) with the sign of v, so that small values keep digits beside large ones.
    """
    rows = rows.float()
    largest = rows.abs().amax(1) if rows.numel() else rows.new_zeros(len(rows))
    shares = rows / torch.where(largest > 0, largest, 1.0).unsqueeze(1)
    codes = shares.abs().sqrt_().mul_(STEPS).round_().copysign_(shares)
    return codes.to(torch.int8), largest


def rows_from_bytes(codes: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """What `rows_in_bytes` made of rows, float32 [n, m]."""
    values = codes.float()
    return values.mul_(values.abs()).mul_((largest / STEPS**2).unsqueeze(1))
