"""Bytes of Fisher factors: while they are collected, and as they are kept; see the engine's `calibration`."""

from collections.abc import Iterator

from pruning.planning.cost.given.setting import CALIBRATION, FLOAT, WINDOW, Setting
from pruning.planning.cost.given.shape import Matrix

# Positions that are sampled (`fisher_sums.SAMPLED_POSITIONS`); rows of a band of a half covariance
# (`symmetric.BAND`); bytes of its entries while collected and as kept.
SAMPLED, BAND = 320, 128
COLLECTED_SUM, KEPT_CODE = 4, 2


def collected_bytes(setting: Setting) -> int:
    """Bytes of all sums that are open at once: those of every layer, or of one where layers are streamed."""
    return _layers(setting) * sum(_bytes(m, COLLECTED_SUM, setting) for m in _each(setting))


def sums_bytes(setting: Setting) -> int:
    """Of these, what the halves of the covariances take."""
    columns = (matrix.columns for matrix in _each(setting) if not matrix.shares_inputs)
    return _layers(setting) * COLLECTED_SUM * sum(map(half_length, columns))


def kept_bytes(setting: Setting) -> int:
    """Bytes of all statistics as they are kept, in memory and in their file."""
    each = sum(_bytes(matrix, KEPT_CODE, setting) for matrix in _each(setting))
    return setting.shape.layers * each


def _layers(setting: Setting) -> int:
    return 1 if setting.streamed else setting.shape.layers


def _each(setting: Setting) -> Iterator[Matrix]:
    """Every matrix of a layer; each expert has statistics of its own."""
    for matrix in setting.shape.matrices:
        yield from [matrix] * matrix.count


def _bytes(matrix: Matrix, number: int, setting: Setting) -> int:
    """Bytes of a matrix's factors: half a covariance, a byte a sampled number, outliers in two, vectors."""
    rows, columns = matrix.rows, matrix.columns
    covariance = 0 if matrix.shares_inputs else number * half_length(columns)
    # Outliers are the first position of each window of the pricing fold, and some massive ones.
    outliers = 2 * max(1, setting.text(CALIBRATION) // WINDOW // 2) * (rows + columns)
    # Mean squares, and of each sampled position its weight and its two scales.
    vectors = FLOAT * (2 * rows + 2 * columns + 3 * SAMPLED)
    return covariance + SAMPLED * (rows + columns) + outliers + vectors


def half_length(size: int) -> int:
    """Numbers in the half of a matrix [size, size]."""
    return sum(min(BAND, size - first) * (size - first) for first in range(0, size, BAND))
