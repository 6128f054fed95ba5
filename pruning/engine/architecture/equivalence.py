"""Whether two forward passes are the same but for rounding: the one measure that every such check uses."""

import torch

# What rounding may make of values that should be equal, as `relative_error` gives it. On the demo model cut
# copies are 4e-5 apart in float32 at the most, those of plans that break it too (25 % of the neurons by their
# norm, perplexity 1.2 million), while a wrong family, head or layer makes some hundredths and more.
TOLERANCES = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def relative_error(
    expected: torch.Tensor, given: torch.Tensor, reference: torch.Tensor | None = None
) -> float:
    """How far values that should be equal are apart, in the spread of the dense model's.

    At each position the root mean square of the difference over the features is divided by the standard
    deviation of the reference over the same features; the result is the root mean square of that over all
    positions. So neither large logits nor a single position at which rounding is amplified count for much,
    and what is wrong everywhere counts in full.

    Parameters
    ----------
    expected, given
        Logits [..., vocabulary] or hidden states [..., hidden]. What is the same in both counts as equal,
        also where it is infinite or not a number: that a model is broken makes no copy of it a wrong one.
    reference
        The dense model's values at the same positions; by default `expected`. A pruned model may be so broken
        that its own spread says nothing.

    Returns
    -------
    float
        0 for equal values; see `TOLERANCES` for what rounding makes. Infinite or not a number where only one
        of the two is.
    """
    same = (expected == given) | (expected.isnan() & given.isnan())
    difference = torch.where(same, 0.0, expected.double() - given.double())
    spread = (expected if reference is None else reference).double().std(-1)
    squares = difference.square().mean(-1) / spread.square().clamp_min(torch.finfo(torch.float64).tiny)
    return float(squares.mean().sqrt())


def same_values(expected: torch.Tensor, given: torch.Tensor, reference: torch.Tensor | None = None) -> bool:
    """Whether `relative_error` is no more than rounding in the number format of `expected`."""
    return expected.shape == given.shape and relative_error(expected, given, reference) <= tolerance(expected)


def tolerance(values: torch.Tensor) -> float:
    """The most that rounding makes of values of this number format."""
    return TOLERANCES.get(values.dtype, TOLERANCES[torch.float32])
