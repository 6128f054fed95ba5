"""What tasks return and store: each key, with a word on it. docs/cli.md is made from these."""

from typing import Annotated, Any, NotRequired, TypedDict

from pruning.workspace.result_types.figures import (
    Accuracy,
    Agreement,
    Behaviour,
    CompactBytes,
    Criterion,
    DataFingerprint,
    DenseAccuracy,
    DensePerplexity,
    EngineAgreement,
    FileBytes,
    Fingerprint,
    GgufFacts,
    GroupFacts,
    Kind,
    Kl,
    Layer,
    MaskOptionValues,
    Out,
    Perplexity,
    ProbeAccuracy,
    Probes,
    Quality,
    Recovery,
    Settings,
    Sparsity,
    Tokens,
)


class InspectResult(TypedDict):
    """What a model is made of."""

    reference: Annotated[str, "the model, as it was asked for"]
    architecture: Annotated[str, "class of the model"]
    fingerprint: Fingerprint
    computed: Annotated[str, "the same with the number format computed in: what results are about"]
    dtype: Annotated[str, "number format"]
    device: Annotated[str, "where it was loaded"]
    parameters: Annotated[int, "all parameters"]
    prunable_parameters: Annotated[int, "those of the groups"]
    layers: Annotated[int, "number of layers"]
    hidden_size: Annotated[int, "width of the states between layers"]
    vocabulary: Annotated[int, "tokens of the vocabulary"]
    bytes: Annotated[int, "bytes of the weights"]
    groups: Annotated[list[GroupFacts], "the groups that can be pruned"]
    norms: Annotated[list[int], "by layer, parameters that are in no group"]
    embedding_parameters: Annotated[int, "weights of the embedding tables"]
    head_parameters: Annotated[int, "weights of the head"]
    tied_head: Annotated[bool, "whether the head is the embedding table"]
    units: Annotated[dict[str, list[int]], "neurons, heads and KV groups by layer"]
    no_heads: Annotated[str | None, "why heads cannot be pruned, or null"]
    writable: Annotated[dict[str, list[int]], "heads or KV groups that a layer may lose for a smaller file"]
    pruned_before: Annotated[list[str], "what had been pruned when it came, in words"]
    gguf: Annotated[GgufFacts, "as a file for llama.cpp"]


class BaselineResult(TypedDict):
    """How good and how fast the dense model is."""

    perplexity: Perplexity
    accuracy: Accuracy
    tokens: Tokens
    bytes: Annotated[int, "bytes of the weights"]
    prefill_ms: Annotated[float, "milliseconds to read 256 tokens"]
    decode_ms: Annotated[float, "milliseconds to write one more"]
    probe_accuracy: ProbeAccuracy
    probes: Probes
    device: Annotated[str, "where it was measured"]
    data_fingerprint: DataFingerprint


class SparseSpeed(TypedDict):
    """A sparse format against the dense kernels."""

    format: Annotated[str, "csr, bsr or 2:4"]
    level: Annotated[float, "share of zeros"]
    prefill: NotRequired[Annotated[float, "times as fast as dense, reading"]]
    decode: NotRequired[Annotated[float, "times as fast as dense, writing"]]
    why_not: NotRequired[Annotated[str, "why it was not timed"]]


class LatencyResult(TypedDict):
    """Times of one model on this machine."""

    dense: Annotated[dict[str, float], "milliseconds of the dense model by mode: prefill, decode"]
    shares: Annotated[dict[str, list[float]], "shares of a layer's units pruned, by kind of unit"]
    saved: Annotated[
        dict[str, dict[str, list[float]]], "milliseconds a layer saves at these shares, by mode and kind"
    ]
    spread: Annotated[dict[str, float], "share by which a ratio of times may be off by chance, by mode"]
    layers: Annotated[int, "number of layers"]
    tokens: Annotated[int, "tokens read in prefill"]
    machine: Annotated[str, "the processor or card"]
    device: Annotated[str, "where it was measured"]
    threads: Annotated[int, "threads of the processor"]
    measured: Annotated[str, "when, UTC"]
    sparse: Annotated[list[SparseSpeed], "the sparse formats"]


class OutliersResult(TypedDict):
    """Shares of outliers, by which OWL decides what a layer can lose."""

    layers: Annotated[list[int], "the layers"]
    shares: Annotated[list[float], "share of outliers of each"]
    fingerprint: Fingerprint
    data: Annotated[str, "the text"]
    data_fingerprint: DataFingerprint


class SweepPoint(TypedDict):
    """One group at one level, measured."""

    layer: Layer
    kind: Kind
    level: Annotated[float, "share of its weights pruned"]
    kl: Kl
    perplexity: Perplexity


class SweepResult(TypedDict):
    """Single groups, measured one at a time."""

    points: Annotated[list[SweepPoint], "a row for each group and level"]
    measured: Annotated[int, "how many were measured now"]
    out: Annotated[str | None, "the file that was written, or null"]


class TextResult(MaskOptionValues):
    """What a plan costs on the evaluation text, measured."""

    kl: Kl
    perplexity: Perplexity
    dense_perplexity: DensePerplexity
    agreement: Agreement
    accuracy: Accuracy
    dense_accuracy: DenseAccuracy
    tokens: Tokens
    bytes: CompactBytes
    file_bytes: FileBytes
    sparsity: Sparsity
    settings: Settings
    criterion: Criterion
    data_fingerprint: DataFingerprint
    not_smaller: NotRequired[
        Annotated[str | None, "of whole units: why no smaller model can be written, or null"]
    ]


class MeasureResult(TextResult):
    """What a recipe costs, measured."""

    probe_accuracy: ProbeAccuracy
    probes: Probes
    behaviour: NotRequired[Annotated[Behaviour, "its answers beside the dense model's"]]
    recovery: NotRequired[Recovery]
    best_step: NotRequired[Annotated[int | None, "the step of training whose weights were measured"]]


class CalibrateResult(TypedDict):
    """The plans that were measured, and the forecast fit that they give by themselves."""

    plans: Annotated[list[list[str]], "the plans, as settings"]
    measured: Annotated[int, "how many were measured now"]
    kls: Annotated[list[float], "measured KL of each plan, nats per token"]
    kappa: Annotated[float, "scale: KL = κ · (Σ w · cost)^β"]
    beta: Annotated[float, "exponent"]
    weights: Annotated[dict[str, float], "weight w of each kind of group"]
    depth: Annotated[float, "how weights change from the first layer to the last"]
    spread: Annotated[float, "standard deviation of log KL that stays unexplained"]


class ExportResult(MeasureResult, EngineAgreement):
    """The measurement, and what was written. `bytes` are those of the folder's weights."""

    out: Annotated[str, "the folder that was written"]
    verified: Annotated[bool, "it was loaded, read or run again and gave the same"]
    sparse_bytes: CompactBytes
    to: NotRequired[Annotated[str, "the form, as --to has it"]]
    digest: NotRequired[Annotated[str, "of hf: SHA-256 of all weights, by name, shape and bits"]]
    masked: Annotated[bool, "full-size with zeros"]
    export_dtype: NotRequired[Annotated[str, "number format that was written"]]
    recipe: Annotated[dict[str, Any], "the recipe"]


class Answer(MaskOptionValues):
    """One prompt and plan."""

    prompt: Annotated[str, "the prompt"]
    settings: Settings
    criterion: Criterion
    max_new_tokens: Annotated[int, "the most tokens that were asked for"]
    dense: Annotated[str, "the dense model's answer"]
    pruned: Annotated[str, "the pruned model's answer"]
    dense_tokens: Annotated[list[str], "the dense answer in tokens"]
    pruned_tokens: Annotated[list[str], "the pruned answer in tokens"]
    dense_ended: Annotated[bool, "whether the dense answer ended by itself"]
    pruned_ended: Annotated[bool, "whether the pruned answer ended by itself"]
    first_difference: Annotated[int | None, "the first token where they part, from 0, or null"]
    kl: Annotated[list[float], "KL at each token of the dense answer, nats"]


class GenerateResult(TypedDict):
    """Answers of the dense and the pruned model."""

    answers: Annotated[list[Answer], "a row for each prompt"]


class DepthQuality(Quality):
    """The model left after so many layers."""

    depth: Annotated[int, "layers that ran"]


class ConfidentQuality(Quality):
    """Each token leaving once it is sure."""

    threshold: Annotated[float, "probability at which a token leaves"]
    layers: Annotated[float, "layers used on average"]
    share: Annotated[float, "share of the layers used on average"]


class EarlyExitResult(MaskOptionValues):
    """Quality when the model is left early."""

    layers: Annotated[int, "number of layers"]
    dense: Annotated[Quality, "the whole dense model"]
    depths: Annotated[list[DepthQuality], "left after each number of layers"]
    sure: Annotated[list[ConfidentQuality], "left once a token is sure"]
    tokens: Tokens
    settings: Settings
    criterion: Criterion
    data_fingerprint: DataFingerprint


class QuantizeRow(Quality):
    """One form of the model."""

    pruned: Annotated[bool, "whether it is pruned"]
    method: Annotated[str | None, "int8, int8-dynamic or null"]
    file_bytes: FileBytes
    bytes: CompactBytes


class QuantizeResult(MaskOptionValues):
    """The model dense and pruned, in floats and in 8 bits."""

    rows: Annotated[list[QuantizeRow], "a row for each form"]
    tokens: Tokens
    settings: Settings
    criterion: Criterion
    data_fingerprint: DataFingerprint


class ImpactRow(TypedDict):
    """One technique, with the guide's claim or as an alternative beside it."""

    name: Annotated[str, "name of the row"]
    title: Annotated[str, "what it does"]
    share: Annotated[float, "share that is pruned"]
    claim: Annotated[dict[str, Any] | None, "the guide's claim: memory, speed, quality, sparse"]
    beside: Annotated[str | None, "the row of the guide that it stands beside"]
    verdict: Annotated[dict[str, Any], "what the figures say of the claim: claims, text"]
    refused: NotRequired[Annotated[str, "why it cannot be done with this model"]]
    dense_probe_accuracy: NotRequired[Annotated[float, "questions answered right by the dense model"]]
    kl: NotRequired[Kl]
    perplexity: NotRequired[Perplexity]
    dense_perplexity: NotRequired[DensePerplexity]
    agreement: NotRequired[Agreement]
    accuracy: NotRequired[Accuracy]
    dense_accuracy: NotRequired[DenseAccuracy]
    probe_accuracy: NotRequired[ProbeAccuracy]
    sparsity: NotRequired[Sparsity]
    dense_bytes: NotRequired[Annotated[int, "bytes of the dense file"]]
    bytes: NotRequired[Annotated[int, "bytes cut out, or as a compact file"]]
    form: NotRequired[Annotated[str, "cut or bitmask (a compact file)"]]
    speed: NotRequired[Annotated[dict[str, float] | None, "times as fast as dense, with quartiles"]]
    settings: NotRequired[Settings]
    criterion: NotRequired[Criterion]
    data: NotRequired[Annotated[str, "the text"]]
    options: NotRequired[Annotated[MaskOptionValues, "the options of pruning"]]
    threads: NotRequired[Annotated[int, "threads of the processor"]]
    not_smaller: NotRequired[Annotated[str | None, "why no smaller model can be written, or null"]]
    random_perplexity: NotRequired[Annotated[float, "of a random lottery ticket"]]
    trained_perplexity: NotRequired[Annotated[float, "of the dense model after the same training"]]
    steps: NotRequired[Annotated[int, "steps of training of each network"]]
    rounds: NotRequired[Annotated[int, "rounds of the lottery"]]


class ImpactResult(TypedDict):
    """The guide's techniques and ours, measured here."""

    rows: Annotated[list[ImpactRow], "a row for each technique"]
    out: Out
