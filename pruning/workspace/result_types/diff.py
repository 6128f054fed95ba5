"""What the comparison of two models prints."""

from typing import Annotated, TypedDict

from pruning.workspace.result_types.figures import (
    Agreement,
    DataFingerprint,
    DensePerplexity,
    Kind,
    Kl,
    Perplexity,
)


class DifferentGroup(TypedDict):
    """A group of weights in both models."""

    layer: Annotated[int, "its layer in the first model"]
    other: Annotated[int, "its layer in the second"]
    kind: Kind
    shape: Annotated[list[int], "rows and columns in the first model"]
    other_shape: Annotated[list[int], "rows and columns in the second"]
    zeros: Annotated[float, "share of zeros in the first"]
    other_zeros: Annotated[float, "share of zeros in the second"]
    change: Annotated[
        float | None,
        "length of the change over that of the weights, of those that are not zero; null where shapes differ",
    ]


class LayerDrift(TypedDict):
    """How far a layer's output moved."""

    relative: Annotated[float, "length of the difference over that of the first model's output"]
    cosine: Annotated[float, "mean cosine of both outputs"]


class DiffResult(TypedDict):
    """A model and what was made of it."""

    model: Annotated[str, "the first model"]
    other: Annotated[str, "the second"]
    dropped: Annotated[list[int], "layers of the first that the second lacks"]
    origin: Annotated[list[int], "for each layer of the second that of the first it comes from"]
    groups: Annotated[list[DifferentGroup], "every group of the second"]
    drift: Annotated[list[LayerDrift], "by layer of the second, on the evaluation text"]
    kl: Kl
    perplexity: Perplexity
    dense_perplexity: DensePerplexity
    agreement: Agreement
    findings: Annotated[list[str], "what was pruned, in words"]
    data_fingerprint: DataFingerprint
