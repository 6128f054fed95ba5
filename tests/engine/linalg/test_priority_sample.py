"""The sample of positions: right on average, and less noisy than one drawn alike."""

import torch

from pruning.engine.linalg.byte_rows import rows_in_bytes
from pruning.engine.linalg.priority_sample import PrioritySample

POSITIONS, WIDTH, OUT = 600, 6, 4


def _positions() -> tuple[torch.Tensor, torch.Tensor]:
    """x and g of very different sizes."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randn(POSITIONS, 1, generator=generator).mul(1.5).exp()
    x = torch.randn(POSITIONS, WIDTH, generator=generator)
    return x, torch.randn(POSITIONS, OUT, generator=generator) * sizes


def _sampled(size: int, seed: int, batch: int = 100) -> PrioritySample:
    x, g = _positions()
    draws = 1 - torch.rand(POSITIONS, generator=torch.Generator().manual_seed(seed))
    sample = PrioritySample(size)
    for own in torch.arange(POSITIONS).split(batch):
        sizes = x[own].square().sum(1) * g[own].square().sum(1)
        sample.add(rows_in_bytes(x[own]), g[own], sizes, draws[own])
    return sample


def _form(x: torch.Tensor, g: torch.Tensor, weights: torch.Tensor) -> float:
    change = torch.randn(OUT, WIDTH, generator=torch.Generator().manual_seed(1))
    return float(weights @ ((x @ change.T) * g).sum(1).square())


def test_sums_are_right_on_average_and_less_noisy_than_drawn_alike() -> None:
    exact = _form(*_positions(), torch.ones(POSITIONS))
    estimates = [_form(*_sampled(60, seed).finished()) / exact for seed in range(200)]
    x, g = _positions()
    alike = []
    for seed in range(200):
        own = torch.randperm(POSITIONS, generator=torch.Generator().manual_seed(seed))[:60]
        alike.append(_form(x[own], g[own], torch.full((60,), POSITIONS / 60)) / exact)
    assert abs(sum(estimates) / 200 - 1) < 0.05
    assert float(torch.tensor(estimates).std()) < 0.5 * float(torch.tensor(alike).std())


def test_the_batches_that_positions_come_in_do_not_matter() -> None:
    one, other = (_sampled(60, 0, batch).finished() for batch in (100, 37))
    assert len(one[2]) == 60
    ordered = [sorted(weights.tolist()) for _, _, weights in (one, other)]
    torch.testing.assert_close(torch.tensor(ordered[0]), torch.tensor(ordered[1]))


def test_all_are_there_where_they_are_few() -> None:
    x, _, weights = _sampled(POSITIONS, 0).finished()
    assert len(x) == POSITIONS
    assert torch.equal(weights, torch.ones(POSITIONS))


def test_positions_without_gradient_are_left_out() -> None:
    sample = PrioritySample(10)
    x, g = torch.ones(4, 2), torch.tensor([[0.0], [1.0], [0.0], [2.0]])
    sample.add(rows_in_bytes(x), g, x.square().sum(1) * g.square().sum(1), torch.ones(4))
    kept, gradients, _ = sample.finished()
    assert len(kept) == 2
    assert sorted(gradients.flatten().tolist()) == [1.0, 2.0]
