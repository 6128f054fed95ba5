"""Prices of groups: by a covariance in short, and thresholds in order."""

import numpy as np
import pytest
import torch

from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import criterion
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.sensitivity.group_costs import LEVELS, Scoring, price_changes, price_groups
from tests.support.tiny import VOCABULARY, tiny_model


@pytest.mark.parametrize("name", ["magnitude", "wanda", "fisher"])
def test_prices_are_those_of_the_whole_covariance_nearly(name: str) -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    groups, generator = find_groups(model), torch.Generator().manual_seed(0)
    statistics = collect(model, groups, torch.randint(3, VOCABULARY, (16, 32), generator=generator))
    method, inputs = criterion(name), criterion_inputs(statistics)
    priced, _ = price_groups(model, groups, statistics, Scoring(method, inputs))
    for row, group in enumerate(groups):
        weight = group_weight(model, group)
        scores = method.score(weight, inputs(group.key))
        rows = scores if method.scope == "row" else scores.reshape(1, -1)
        ordered = rows.sort(1).values
        changes = []
        for level in LEVELS:
            count = max(1, round(level * rows.shape[1]))
            changes.append(weight * (scores <= ordered[:, count - 1 : count]))
        exact, _ = price_changes(changes, statistics.groups[group.key], LEVELS)
        np.testing.assert_allclose(priced[row], exact, rtol=0.1)
        assert (np.diff(priced[row]) > 0).all()
