"""Fisher factors in the form in which they are kept: a third of the bytes, and whole again when asked for.

Thrown away are the lower halves of the input covariances and the digits of their entries beyond sixteen bits
of a correlation, and those of samples beyond eight bits, where they are far below the noise of the sample.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from pruning.engine.calibration.factors import FisherFactors
from pruning.engine.linalg.byte_rows import rows_from_bytes, rows_in_bytes
from pruning.engine.linalg.symmetric import correlations, half_of, second_moments
from pruning.planning.recipe.plan import Group


@dataclass(frozen=True)
class CompactFactors:
    """One group's `FisherFactors` in few bytes; what groups share (gate and up their inputs) is shared here.

    Attributes
    ----------
    score_inputs, score_outputs, output_second_moment, sample_weights, scored, ordinary
        As in `FisherFactors`.
    input_diagonal, input_codes
        diag A [in], float32, and the half of A as correlations, int16; see `pruning.engine.linalg.symmetric`.
    sample_inputs, sample_input_scales, sample_gradients, sample_gradient_scales
        x [n, in] and g [n, out] as int8 and the largest absolute value of each row [n]; see `rows_in_bytes`.
    outlier_inputs, outlier_gradients
        x [m, in] and g [m, out], bfloat16.
    """

    score_inputs: torch.Tensor
    score_outputs: torch.Tensor
    input_diagonal: torch.Tensor
    input_codes: torch.Tensor
    output_second_moment: torch.Tensor
    sample_inputs: torch.Tensor
    sample_input_scales: torch.Tensor
    sample_gradients: torch.Tensor
    sample_gradient_scales: torch.Tensor
    sample_weights: torch.Tensor
    outlier_inputs: torch.Tensor
    outlier_gradients: torch.Tensor
    scored: torch.Tensor
    ordinary: torch.Tensor

    def restored(self, covariance: torch.Tensor | None = None) -> FisherFactors:
        """The factors as groups are priced with; `covariance`: A [in, in], where it is at hand already."""
        if covariance is None:
            covariance = second_moments(self.input_codes, self.input_diagonal)
        return FisherFactors(
            score_inputs=self.score_inputs,
            score_outputs=self.score_outputs,
            input_covariance=covariance,
            output_second_moment=self.output_second_moment,
            sample_inputs=rows_from_bytes(self.sample_inputs, self.sample_input_scales),
            sample_gradients=rows_from_bytes(self.sample_gradients, self.sample_gradient_scales),
            sample_weights=self.sample_weights,
            outlier_inputs=self.outlier_inputs,
            outlier_gradients=self.outlier_gradients,
            scored=self.scored,
            ordinary=self.ordinary,
        )


def compact(
    factors: FisherFactors, same_inputs: tuple[FisherFactors, CompactFactors] | None = None
) -> CompactFactors:
    """The compact form of one group's factors.

    Parameters
    ----------
    factors
        As `pruning.engine.calibration.fisher` finishes them.
    same_inputs
        The factors of a group with the very same inputs, and their compact form, whose tensors are taken
        over: compacted together with it, gate and up are kept, and written, with one covariance.
    """
    shared = same_inputs[1] if same_inputs and _same(factors, same_inputs[0]) else None
    if shared is None:
        diagonal = factors.input_covariance.diagonal().clone()
        codes = correlations(half_of(factors.input_covariance), diagonal)
    else:
        diagonal, codes = shared.input_diagonal, shared.input_codes
    inputs, input_scales = rows_in_bytes(factors.sample_inputs)
    gradients, gradient_scales = rows_in_bytes(factors.sample_gradients)
    return CompactFactors(
        score_inputs=factors.score_inputs if shared is None else shared.score_inputs,
        score_outputs=factors.score_outputs,
        input_diagonal=diagonal,
        input_codes=codes,
        output_second_moment=factors.output_second_moment,
        sample_inputs=inputs,
        sample_input_scales=input_scales,
        sample_gradients=gradients,
        sample_gradient_scales=gradient_scales,
        sample_weights=factors.sample_weights,
        outlier_inputs=factors.outlier_inputs if shared is None else shared.outlier_inputs,
        outlier_gradients=factors.outlier_gradients,
        scored=factors.scored,
        ordinary=factors.ordinary,
    )


def compact_groups(groups: Mapping[Group, FisherFactors]) -> dict[Group, CompactFactors]:
    """The compact form of groups, such as those of one layer, with what neighbours share kept once."""
    kept: dict[Group, CompactFactors] = {}
    before: tuple[FisherFactors, CompactFactors] | None = None
    for key, factors in groups.items():
        kept[key] = compact(factors, before)
        before = factors, kept[key]
    return kept


def _same(factors: FisherFactors, other: FisherFactors) -> bool:
    return factors.input_covariance is other.input_covariance


class CompactGroups(Mapping[Group, FisherFactors]):
    """The factors of many groups, held in their compact form and restored whenever one is asked for.

    Those asked for last are at hand: a group is scored, and then priced.
    """

    def __init__(self, kept: Mapping[Group, CompactFactors]) -> None:
        self.kept = kept
        self._last: tuple[Group, FisherFactors] | None = None
        self._codes: torch.Tensor | None = None

    def __getitem__(self, group: Group) -> FisherFactors:
        last = self._last
        if last is not None and last[0] == group:
            return last[1]
        kept = self.kept[group]
        same = last is not None and self._codes is kept.input_codes
        factors = kept.restored(last[1].input_covariance if last and same else None)
        self._last, self._codes = (group, factors), kept.input_codes
        return factors

    def __iter__(self) -> Iterator[Group]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)
