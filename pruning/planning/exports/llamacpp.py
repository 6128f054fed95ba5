"""Which plans llama.cpp has an architecture for.

`pruning.engine.export.gguf` looks at the tensors themselves; tests hold this table to it.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from pruning.planning.cost.parts import HEADS
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.units import Left, why_not_alike, why_not_even

PACKAGE = "xllamacpp"
# What runs a model, by the name that commands have for it.
PYTORCH, LLAMA_CPP = "pytorch", "llamacpp"
# The numbers of a GGUF file, and those it is timed with where nothing is said.
NUMBERS = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_k")
TIMED = "q8_0"
# Families with an architecture in which every layer has widths of its own; of Qwen3 where it is tied.
BY_LAYER = {"llama": "deci", "mistral": "deci", "qwen2": "deci", "qwen3": "openelm"}
# Families in which heads together may be narrower than the layer.
FREE_HEADS = {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3"}
KNOWN = FREE_HEADS | {"phi3", "gpt2", "gptneox"}


def installed() -> bool:
    """Whether llama.cpp is there to run files; nothing is loaded."""
    return find_spec(PACKAGE) is not None


def why_unknown(facts: ModelFacts) -> str | None:
    """Why a family cannot be written as GGUF whatever the plan; None where it can."""
    return None if facts.family in KNOWN else f"How {facts.name} is written as GGUF is not known here"


def why_not_gguf(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why llama.cpp has no architecture for what is cut; None where it has one."""
    why = why_unknown(facts) or why_not_even(facts, left)
    if why:
        return why
    unlike = why_not_alike(facts, left)
    if unlike and (facts.family not in BY_LAYER or _apart(facts)):
        return (
            f"{unlike.partition(', and ')[0]}, and llama.cpp has one number for all layers of {facts.name}"
            + (" whose head has values of its own" if _apart(facts) else "")
        )
    layer, kept = next(iter(left.items()))
    total = facts.units.get(HEADS, {}).get(layer, 0)
    if kept.heads != total and facts.family not in FREE_HEADS:
        return f"{kept.heads} of {total} heads: llama.cpp wants all {total} of {facts.name}"
    return None


def _apart(facts: ModelFacts) -> bool:
    """Whether the family's architecture needs the head to be the embedding, and it is not."""
    return facts.family == "qwen3" and facts.tied is False


def gguf_reason(facts: ModelFacts, left: Mapping[int, Left]) -> str:
    """What is said where it can be written."""
    if why_not_alike(facts, left):
        tied = " if its head is the embedding" if facts.family == "qwen3" and facts.tied is None else ""
        return f"llama.cpp opens it as {BY_LAYER[facts.family]}, which has a width for every layer{tied}."
    return "llama.cpp opens it; widths must fill blocks of 32 in q8_0 and q4_0, and of 256 in q4_k."
