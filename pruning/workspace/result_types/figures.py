"""Figures that many results have, each with a word on it. KL is that of text that nothing was fitted to."""

from typing import Annotated, Any, NotRequired, TypedDict

Kl = Annotated[float, "KL(dense ‖ pruned), nats per token"]
Perplexity = Annotated[float, "perplexity on the evaluation text"]
DensePerplexity = Annotated[float, "perplexity of the dense model"]
Agreement = Annotated[float, "share of positions with the dense model's most likely token"]
Accuracy = Annotated[float, "next-token accuracy"]
DenseAccuracy = Annotated[float, "next-token accuracy of the dense model"]
Tokens = Annotated[int, "tokens that were scored"]
Sparsity = Annotated[float, "share of the prunable weights that is pruned"]
FileBytes = Annotated[int, "bytes of the weights as an ordinary export writes them, zeros included"]
CompactBytes = Annotated[int, "bytes of the weights as `--to compact` writes them; of whole units, cut out"]
Settings = Annotated[list[str], "the plan, as for --set"]
Criterion = Annotated[str, "how weights were scored"]
DataFingerprint = Annotated[str, "of the very text"]
Fingerprint = Annotated[str, "of the weights; results of other weights are never mixed in"]
Out = Annotated[str, "the file that was written"]
Layer = Annotated[int, "number of the layer, from 0"]
Kind = Annotated[str, "qkv, attn_out, gate, up or down"]
ProbeAccuracy = Annotated[float, "share of the multiple-choice questions answered right"]
Probes = Annotated[dict[str, float], "the same by capability"]
Recovery = Annotated[dict[str, Any], "settings of the training that are not their default"]


class MaskOptionValues(TypedDict, total=False):
    """The options of pruning that are not their default, as they were given."""

    structure: Annotated[str, "--structure"]
    pattern: Annotated[str, "--pattern"]
    block: Annotated[str, "--block"]
    scope: Annotated[str, "--scope"]
    protect: Annotated[str, "--protect"]
    floor: Annotated[float, "--floor"]
    ceiling: Annotated[float, "--ceiling"]
    compensate: Annotated[bool, "--compensate"]
    round_to: Annotated[int, "--round-to"]


class Quality(TypedDict):
    """How good a model is on the evaluation text."""

    kl: Kl
    perplexity: Perplexity
    agreement: Agreement
    accuracy: Accuracy


class Example(TypedDict):
    """One prompt with both answers."""

    prompt: Annotated[str, "the prompt"]
    dense: Annotated[str, "the dense model's answer"]
    pruned: Annotated[str, "the pruned model's answer"]


class Behaviour(TypedDict):
    """A pruned model's greedy answers to a fixed set of prompts and questions, beside the dense model's.

    An answer falls into repetition when of the 4-grams in its last 32 tokens more than half stood in it
    before.
    """

    prompts: Annotated[int, "prompts that were answered; 0 where the model cannot"]
    counted: NotRequired[Annotated[int, "of these, where the dense answer does not fall into repetition"]]
    repeating: NotRequired[Annotated[int, "of those counted, where the pruned answer falls into repetition"]]
    cut_short: NotRequired[Annotated[int, "of the others counted, those under half as long as the dense"]]
    early: NotRequired[Annotated[int, "prompts whose answer parts from the dense one within 4 tokens"]]
    common_prefix: NotRequired[Annotated[float, "tokens that both answers begin with, mean"]]
    new_tokens: NotRequired[Annotated[int, "the most tokens of an answer"]]
    questions: Annotated[int, "multiple-choice questions"]
    questions_right: Annotated[int, "of these, right by the dense model"]
    questions_lost: Annotated[int, "of those right, wrong by the pruned model"]
    questions_won: Annotated[int, "right by the pruned model alone"]
    example: NotRequired[Annotated[Example, "an answer that fails, else the one that parts first"]]
    why_not: NotRequired[Annotated[str, "why prompts were not answered"]]


class GgufFacts(TypedDict):
    """What a GGUF file of the model would be beside its weights."""

    beside_bytes: Annotated[int | None, "bytes that are not weights, or null where there is no form"]
    refused: Annotated[str | None, "why there is no form whatever the plan, or null"]


class GroupFacts(TypedDict):
    """One group of weights."""

    layer: Layer
    kind: Kind
    modules: Annotated[list[str], "names of its modules"]
    parameters: Annotated[int, "its weights"]
    shape: Annotated[list[int], "rows and columns"]
    biases: Annotated[int, "biases of its rows"]


class EngineAgreement(TypedDict):
    """How near what other engines compute of a written model is to the model in memory."""

    llamacpp: NotRequired[Annotated[dict[str, float], "of gguf: llama.cpp beside the model"]]
    onnxruntime: NotRequired[Annotated[dict[str, float], "of onnx: the largest logit_error of onnxruntime"]]
