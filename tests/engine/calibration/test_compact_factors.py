"""Fisher factors in few bytes: nearly the same costs, and inputs that groups share kept once."""

import pytest
import torch

from pruning.engine.architecture.groups import find_groups, group_weight
from pruning.engine.calibration.compact_factors import CompactGroups, compact, compact_groups
from pruning.engine.calibration.factors import FisherFactors
from pruning.engine.calibration.fisher import collect
from pruning.engine.criteria import criterion
from pruning.engine.masking.masks import criterion_inputs
from pruning.engine.sensitivity.group_costs import kronecker_cost, token_cost
from tests.support.tiny import VOCABULARY, tiny_model


def _factors(inner: int = 40, out: int = 24) -> FisherFactors:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, inner, generator=generator) * torch.linspace(0.1, 5, inner)
    g = torch.randn(200, out, generator=generator)
    return FisherFactors(
        score_inputs=x.square().mean(0),
        score_outputs=g.square().mean(0),
        input_covariance=x.T @ x / 200,
        output_second_moment=g.square().mean(0),
        sample_inputs=x,
        sample_gradients=g,
        sample_weights=torch.full((200,), 0.01),
        outlier_inputs=x[:3].bfloat16(),
        outlier_gradients=g[:3].bfloat16(),
        scored=torch.tensor(100),
        ordinary=torch.tensor(200),
    )


def test_costs_from_the_compact_form_are_the_exact_ones_nearly() -> None:
    factors = _factors()
    again = compact(factors).restored()
    change = torch.randn(24, 40, generator=torch.Generator().manual_seed(1))
    exact, near = (float(kronecker_cost(change, each)) for each in (factors, again))
    assert near == pytest.approx(exact, rel=1e-3)
    exact, near = (
        float(token_cost(change, each.sample_inputs, each.sample_gradients, each.sample_weights))
        for each in (factors, again)
    )
    assert near == pytest.approx(exact, rel=2e-2)


def test_it_takes_a_third_of_the_bytes() -> None:
    factors = _factors(inner=512)
    kept = compact(factors)
    bytes_of = [sum(tensor.nbytes for tensor in vars(each).values()) for each in (factors, kept)]
    assert bytes_of[1] < 0.35 * bytes_of[0]


def test_what_neighbours_share_is_kept_and_restored_once() -> None:
    gate = _factors()
    up = FisherFactors(**{**vars(gate), "output_second_moment": 2 * gate.output_second_moment})
    other = _factors()
    kept = compact_groups({(0, "gate"): gate, (0, "up"): up, (0, "down"): other})
    assert kept[0, "gate"].input_codes is kept[0, "up"].input_codes
    assert kept[0, "down"].input_codes is not kept[0, "up"].input_codes
    groups = CompactGroups(kept)
    assert groups[0, "gate"].input_covariance is groups[0, "up"].input_covariance
    assert torch.equal(groups[0, "up"].output_second_moment, up.output_second_moment)
    assert list(groups) == [(0, "gate"), (0, "up"), (0, "down")]


def test_criteria_that_invert_the_covariance_score_alike_from_what_is_kept() -> None:
    model = tiny_model("llama").eval().requires_grad_(False)
    groups = find_groups(model)
    windows = torch.randint(3, VOCABULARY, (8, 32), generator=torch.Generator().manual_seed(0))
    statistics = collect(model, groups, windows)
    method, inputs = criterion("sparsegpt"), criterion_inputs(statistics)
    for group in groups:
        scores = method.score(group_weight(model, group), inputs(group.key))
        assert scores.isfinite().all()
        assert (scores >= 0).all()
