"""Bytes of a matrix in each form, by hand."""

import numpy as np

from pruning.planning.cost.storage import bitmask_bytes, csr_bytes, dense_bytes


def test_dense() -> None:
    assert dense_bytes(1000, 4) == 4000


def test_a_bitmask_has_a_bit_for_every_weight() -> None:
    assert bitmask_bytes(1000, 500, 4) == 500 * 4 + 125
    assert bitmask_bytes(1000, 990, 4) == 4000, "the sparse form would be larger"
    many = bitmask_bytes(np.array([1000.0, 80.0]), np.array([500.0, 80.0]), 4)
    assert many.tolist() == [2125.0, 320.0]


def test_csr_has_columns_and_where_rows_begin() -> None:
    assert csr_bytes((10, 100), 100, 4) == 100 * 6 + 44
    assert csr_bytes((1, 2**17), 100, 4) == 100 * 8 + 8, "four bytes for a column beyond 65,536"
    assert csr_bytes((10, 100), 990, 4) == 4000, "the sparse form would be larger"
