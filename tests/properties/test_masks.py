"""Masks hit their level to one weight, whatever the scores are, and prune the lowest of them."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pruning.engine.masking.masks import pattern_mask, removed

SCORES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    # Few values, so that many scores are equal.
    elements=st.one_of(st.integers(0, 3).map(float), st.floats(0, 1e6, width=32)),
)


@given(SCORES, st.floats(0, 0.95))
def test_the_lowest_of_a_group_go(values: np.ndarray, level: float) -> None:
    scores = torch.from_numpy(values)
    mask = removed(scores, level, "group")
    assert int(mask.sum()) == round(level * scores.numel())
    if mask.any() and not mask.all():
        assert scores[mask].max() <= scores[~mask].min()


@given(SCORES, st.floats(0, 0.95))
def test_the_lowest_of_each_row_go(values: np.ndarray, level: float) -> None:
    scores = torch.from_numpy(values)
    mask = removed(scores, level, "row")
    assert mask.sum(1).tolist() == [round(level * scores.shape[1])] * len(scores)
    for row, gone in zip(scores, mask, strict=True):
        assert not gone.any() or gone.all() or row[gone].max() <= row[~gone].min()


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 8), st.data())
def test_n_of_every_m_stay(rows: int, pieces: int, of: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, of))
    shape = (rows, pieces * of)
    values = data.draw(arrays(np.float32, shape, elements=st.integers(0, 3).map(float)))
    mask = pattern_mask(torch.from_numpy(values), kept, of)
    assert ((~mask).view(rows, pieces, of).sum(2) == kept).all()
