"""The one measure of whether two models put out the same: relative to the dense model's spread."""

import math

import pytest
import torch

from pruning.engine.architecture.equivalence import TOLERANCES, relative_error, same_values

# Two positions with four features each; the spreads (standard deviations) are 2 and 200.
DENSE = torch.tensor([[0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 400.0]])
SPREADS = torch.tensor([2.0, 200.0])


def test_a_difference_is_counted_in_the_dense_models_spread_at_its_position() -> None:
    torch.testing.assert_close(DENSE.std(-1), SPREADS)
    off = DENSE + torch.tensor([[0.02], [0.0]])
    # 0.01 of the spread at one of two positions.
    assert relative_error(DENSE, off) == pytest.approx(0.01 / math.sqrt(2))
    assert relative_error(DENSE, DENSE + 0.01 * SPREADS[:, None]) == pytest.approx(0.01, rel=1e-4)
    assert relative_error(DENSE, DENSE) == 0


@pytest.mark.parametrize("times", [1e-6, 1.0, 1e6])
def test_the_scale_of_the_logits_does_not_matter(times: float) -> None:
    other = DENSE + 0.003 * SPREADS[:, None]
    assert relative_error(times * DENSE, times * other) == pytest.approx(0.003, rel=1e-3)
    assert not same_values(times * DENSE, times * other)
    assert same_values(times * DENSE, times * (DENSE + 1e-4 * SPREADS[:, None]))


def test_a_broken_model_is_measured_by_the_dense_ones_spread() -> None:
    """Its own logits are all alike, so that its spread is nothing."""
    flat = torch.full_like(DENSE, 7.0)
    assert relative_error(flat, flat + 1e-5) > 1e6
    assert same_values(flat, flat + 1e-5, DENSE)
    assert not same_values(flat, flat + 1.0, DENSE)


def test_what_is_no_number_in_both_is_the_same_and_in_one_is_not() -> None:
    broken = DENSE.clone()
    broken[0, 0], broken[1, 1], broken[1, 2] = math.nan, math.inf, -math.inf
    assert same_values(broken, broken.clone(), DENSE)
    for place in ((0, 0), (1, 1), (1, 2)):
        other = broken.clone()
        other[place] = 0.0
        assert not same_values(broken, other, DENSE)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_coarser_number_format_rounds_more(dtype: torch.dtype) -> None:
    values = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    assert same_values(values.to(dtype), values.to(dtype) * (1 + 2 * torch.finfo(dtype).eps))
    assert not same_values(values.to(dtype), values.to(dtype) + 2 * TOLERANCES[dtype])


def test_another_shape_is_not_the_same() -> None:
    assert not same_values(DENSE, DENSE[:1])
