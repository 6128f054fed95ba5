"""Figures that many results have, each with a word on it. KL is that of text that nothing was fitted to."""

from typing import Annotated, Any, TypedDict

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
