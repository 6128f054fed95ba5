"""The solver finds what trying every choice finds, also where many cost or save the same."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pruning.planning.allocation.knapsack import Budget, cheapest_choice

NUMBERS = st.one_of(st.integers(0, 4).map(float), st.floats(0, 1))


@st.composite
def problems(draw: Any) -> tuple[np.ndarray, list[Budget], np.ndarray]:
    """Costs [groups, levels], what has to be saved, and what may be chosen."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    costs = draw(arrays(float, shape, elements=NUMBERS))
    allowed = draw(arrays(bool, shape))
    allowed[:, draw(st.integers(0, shape[1] - 1))] = True
    budgets = [
        Budget(f"b{number}", draw(arrays(float, shape, elements=NUMBERS)), draw(st.floats(0.1, 8.0)))
        for number in range(draw(st.integers(1, 3)))
    ]
    return costs, budgets, allowed


@given(problems())
def test_nothing_is_cheaper(problem: tuple[np.ndarray, list[Budget], np.ndarray]) -> None:
    costs, budgets, allowed = problem
    rows = np.arange(len(costs))
    # Within this of a budget the solver may count it as met, or not.
    slack = 1e-6
    sure, perhaps = [], []
    for columns in itertools.product(*(np.flatnonzero(row) for row in allowed)):
        over = min(float(one.saved[rows, columns].sum()) - one.needed for one in budgets)
        cost = float(costs[rows, columns].sum())
        if over >= slack:
            sure.append(cost)
        if over >= -slack:
            perhaps.append(cost)
    found = cheapest_choice(costs, budgets, allowed)
    if found is None:
        assert not sure
        return
    assert allowed[rows, found.columns].all()
    assert all(one.saved[rows, found.columns].sum() >= one.needed - slack for one in budgets)
    assert min(perhaps) - 1e-9 <= found.cost
    assert found.cost == pytest.approx(float(costs[rows, found.columns].sum()))
    if sure:
        assert found.cost <= min(sure) + 1e-9
