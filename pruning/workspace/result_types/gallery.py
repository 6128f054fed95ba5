"""The gallery: results of one model that one run of `prunescope bench gallery` measured, key by key.

Parts have the types of the results that they are, so that whatever draws a user's own draws these as well.
"""

from typing import Annotated, TypedDict

from pruning.workspace.result_types.figures import DataFingerprint, Fingerprint
from pruning.workspace.result_types.results import (
    Answer,
    BaselineResult,
    ImpactRow,
    LatencyResult,
    MeasureResult,
)
from pruning.workspace.result_types.training import RecoverResult


class GalleryMade(TypedDict):
    """When, by which code and on which machine it was measured."""

    day: Annotated[str, "the day it was finished, such as 2026-11-30"]
    commit: Annotated[str, "the commit of the code that measured, or the version of the package"]
    machine: Annotated[str, "the processor or card"]
    device: Annotated[str, "where it was computed"]
    threads: Annotated[int, "threads of the processor"]


class GalleryModel(TypedDict):
    """What it is about."""

    reference: Annotated[str, "the model, as it was asked for"]
    fingerprint: Fingerprint
    computed: Annotated[str, "the same with the number format computed in: what results are about"]
    dtype: Annotated[str, "number format"]
    layers: Annotated[int, "number of layers"]
    data: Annotated[str, "the text"]
    data_fingerprint: DataFingerprint


class GalleryPlan(TypedDict):
    """A plan, measured, and what it answers."""

    name: Annotated[str, "its name in the gallery"]
    title: Annotated[str, "what it does, for people"]
    best: Annotated[bool, "whether it was found as the best recipe we know"]
    figures: Annotated[MeasureResult, "what was measured"]
    answers: Annotated[list[Answer], "its answers beside the dense model's, one for each prompt"]


class GalleryTimes(TypedDict):
    """Times on the machine."""

    busy: Annotated[float, "share of the processors' time, 0..1, that other programs took meanwhile"]
    baseline: Annotated[BaselineResult, "the dense model: quality and times"]
    latency: Annotated[LatencyResult, "times dense and without some of its units, and sparse formats"]


class Gallery(TypedDict):
    """The whole file."""

    made: Annotated[GalleryMade, "when, by which code and where"]
    model: Annotated[GalleryModel, "the model and the text"]
    impact: Annotated[list[ImpactRow], "the guide's techniques and ours"]
    plans: Annotated[list[GalleryPlan], "measured plans"]
    recovery: Annotated[RecoverResult, "a plan, trained"]
    times: Annotated[GalleryTimes, "times on the machine"]
