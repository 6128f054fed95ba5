"""Bytes of one weight matrix in each form it can be stored in. Numbers or arrays of numbers alike."""

from typing import Any, TypeVar

import numpy as np

# A count of weights, or counts of many matrices at once.
Count = TypeVar("Count", float, np.ndarray)

POINTER_BYTES = 4  # where a row begins in CSR
NARROW_COLUMNS = 2**16  # columns that two bytes can count


def dense_bytes(weights: Count, width: int) -> Count:
    """Every weight in `width` bytes."""
    return weights * width


def bitmask_bytes(weights: Count, kept: Count, width: int) -> Count:
    """One bit for each weight and `width` bytes for each one that is kept; dense where that is smaller."""
    return np.minimum(weights * width, kept * width + weights / 8)


def csr_bytes(shape: tuple[Count, Count], kept: Count, width: int) -> Count:
    """Compressed sparse rows: each kept weight with its column, and each row with where it begins.

    A column takes 2 bytes, or 4 where there are more than 65,536. Dense where that is smaller.
    """
    rows, columns = shape
    index: Any = np.where(columns <= NARROW_COLUMNS, 2, 4)
    return np.minimum(rows * columns * width, kept * (width + index) + POINTER_BYTES * (rows + 1))
