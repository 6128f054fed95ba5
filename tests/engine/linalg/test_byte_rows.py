"""Rows in bytes: small values keep digits beside large ones."""

import torch

from pruning.engine.linalg.byte_rows import rows_from_bytes, rows_in_bytes


def test_rows_keep_their_largest_value_and_their_sums_of_squares() -> None:
    rows = torch.randn(50, 400, generator=torch.Generator().manual_seed(0))
    rows[:, 0] *= 30  # a massive channel
    again = rows_from_bytes(*rows_in_bytes(rows))
    torch.testing.assert_close(again.abs().amax(1), rows.abs().amax(1))
    torch.testing.assert_close(again.square().sum(1), rows.square().sum(1), rtol=0.01, atol=0)
    error = (again - rows)[:, 1:].norm() / rows[:, 1:].norm()
    assert float(error) < 0.05


def test_bytes_of_bytes_are_the_same() -> None:
    rows = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    codes, scales = rows_in_bytes(rows)
    again, same = rows_in_bytes(rows_from_bytes(codes, scales))
    assert torch.equal(again, codes)
    torch.testing.assert_close(same, scales)


def test_rows_of_zeros_and_no_rows() -> None:
    assert torch.equal(rows_from_bytes(*rows_in_bytes(torch.zeros(2, 3))), torch.zeros(2, 3))
    assert rows_from_bytes(*rows_in_bytes(torch.zeros(0, 3))).shape == (0, 3)


def test_what_is_not_finite_stays_so() -> None:
    rows = torch.tensor([[1.0, float("nan")], [1.0, 2.0]])
    again = rows_from_bytes(*rows_in_bytes(rows))
    assert again[0].isnan().any()
    assert again[1].isfinite().all()
