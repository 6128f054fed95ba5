"""Symmetric matrices as their upper halves: sums of products x xᵀ, and their values in sixteen bits.

The half is cut into bands of `BAND` rows, of each the columns from its first row on, one after the other in
one vector. Bands are matrices, so that products are added and halves made whole at full speed.
"""

from collections.abc import Iterator

import torch

BAND = 128
STEPS = 32767  # of a correlation, -1 to 1, in sixteen bits


def bands(half: torch.Tensor, size: int) -> Iterator[tuple[int, torch.Tensor]]:
    """The first row of each band of a half [*], and the band [rows, size − first row], sharing its memory."""
    offset = 0
    for first in range(0, size, BAND):
        rows, columns = min(BAND, size - first), size - first
        yield first, half[offset : offset + rows * columns].view(rows, columns)
        offset += rows * columns


def half_length(size: int) -> int:
    """How many numbers the half of a matrix [size, size] has: little more than half of all."""
    return sum(min(BAND, size - first) * (size - first) for first in range(0, size, BAND))


def zero_half(size: int, device: torch.device) -> torch.Tensor:
    """The half of a matrix [size, size] of zeros, float32."""
    return torch.zeros(half_length(size), device=device)


def add_product(half: torch.Tensor, x: torch.Tensor) -> None:
    """Add Σ_p x_p x_pᵀ of x [positions, size] to a half *in place*."""
    for first, band in bands(half, x.shape[1]):
        band.addmm_(x[:, first : first + len(band)].T, x[:, first:])


def half_of(matrix: torch.Tensor) -> torch.Tensor:
    """The half [*] of a symmetric matrix [size, size], a copy."""
    half = matrix.new_empty(half_length(len(matrix)))
    for first, band in bands(half, len(matrix)):
        band.copy_(matrix[first : first + len(band), first:])
    return half


def whole(half: torch.Tensor, size: int) -> torch.Tensor:
    """The matrix [size, size] of a half, a copy."""
    matrix = half.new_empty(size, size)
    for first, band in bands(half, size):
        matrix[first : first + len(band), first:] = band
        matrix[first:, first : first + len(band)] = band.T
    return matrix


def correlations(half: torch.Tensor, diagonal: torch.Tensor) -> torch.Tensor:
    """A half of second moments in sixteen bits: a_ij / √(a_ii a_jj) in steps of 1 / `STEPS`, int16 [*].

    The error of each is at most √(a_ii a_jj) / 65,534, and the diagonal [size] keeps its precision beside
    them.
    """
    codes = half.new_empty(len(half), dtype=torch.int16)
    scale = torch.where(diagonal > 0, diagonal.rsqrt() * STEPS**0.5, 0.0)
    for (first, band), (_, into) in zip(bands(half, len(diagonal)), bands(codes, len(diagonal)), strict=True):
        scaled = band * scale[first:] * scale[first : first + len(band)].unsqueeze(1)
        into.copy_(scaled.round_().clamp_(-STEPS, STEPS))
    return codes


def second_moments(codes: torch.Tensor, diagonal: torch.Tensor) -> torch.Tensor:
    """The matrix [size, size], float32, of `correlations` and its diagonal."""
    size, scale = len(diagonal), diagonal.sqrt() / STEPS**0.5
    matrix = torch.empty(size, size, device=codes.device)
    for first, band in bands(codes, size):
        rows = slice(first, first + len(band))
        matrix[rows, first:] = band.float().mul_(scale[first:]).mul_(scale[rows].unsqueeze(1))
        matrix[first:, rows] = matrix[rows, first:].T.clone()
    matrix.diagonal().copy_(diagonal)
    return matrix
