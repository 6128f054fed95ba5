"""Which plans llama.cpp has an architecture for.

`pruning.engine.export.gguf` looks at the tensors themselves; tests hold this table to it.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from pruning.planning.cost.gguf_size import BLOCKS
from pruning.planning.cost.parts import HEADS, NEURONS
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.units import Left, or_words, why_not_alike, why_not_even

PACKAGE = "xllamacpp"
# What runs a model, by the name that commands have for it.
PYTORCH, LLAMA_CPP = "pytorch", "llamacpp"
# The numbers of a GGUF file, and those it is timed with where nothing is said.
NUMBERS = tuple(BLOCKS)
USUAL = "f16"
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
    """Why a model cannot be written as GGUF whatever the plan; None where it can."""
    if facts.family not in KNOWN:
        return f"How {facts.name} is written as GGUF is not known here"
    return facts.gguf_refused


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
    unfit = [numbers for numbers in NUMBERS if why_not_numbers(facts, left, numbers)]
    fit = f", but not in {or_words(unfit)}, whose blocks its widths do not fill" if unfit else ""
    if why_not_alike(facts, left):
        tied = " if its head is the embedding" if facts.family == "qwen3" and facts.tied is None else ""
        form = BY_LAYER[facts.family]
        return f"llama.cpp opens it as {form}, which has a width for every layer{tied}{fit}."
    return f"llama.cpp opens it{fit}."


# ---- number formats ---------------------------------------------------------------------------------


def why_not_numbers(facts: ModelFacts, left: Mapping[int, Left], numbers: str) -> str | None:
    """Why a file of such `numbers` cannot hold what is left: a width that fills no blocks, where the dense
    model's does; None where it can."""
    for layer, kept in left.items():
        for kind, before, after, size in widths_of(facts, layer, kept):
            why = why_not_filled(layer, kind, (before, after, size), numbers)
            if why:
                return why
    return None


def why_not_filled(layer: int, kind: str, widths: tuple[int, int, int], numbers: str) -> str | None:
    """The same of one width: how many neurons or heads there were and are, and the numbers that one has."""
    before, after, size = widths
    block, _ = BLOCKS[numbers]
    if before * size % block or after * size % block == 0:
        return None
    fitting = _fitting(before, size, block)
    nearest = sorted(sorted(fitting, key=lambda count: abs(count - after))[:2])
    return (
        f"Layer {layer} would keep {after:,} {kind}, and {numbers} stores {block} weights of a row together: "
        f"{or_words([f'{count:,}' for count in nearest])} would do"
    )


def step_of(before: int, size: int, numbers: str) -> int:
    """The fewest units that fill whole blocks."""
    return _fitting(before, size, BLOCKS[numbers][0])[0]


def widths_of(facts: ModelFacts, layer: int, kept: Left) -> list[tuple[str, int, int, int]]:
    """(kind, how many there were, how many stay, numbers that each has) of what rows are cut by."""
    totals = {kind: facts.units.get(kind, {}).get(layer, 0) for kind in (NEURONS, HEADS)}
    widths = [(NEURONS, totals[NEURONS], kept.neurons, 1)]
    if totals[HEADS] and facts.head_size:
        widths.append((HEADS, totals[HEADS], kept.heads, facts.head_size))
    return widths


def _fitting(before: int, size: int, block: int) -> list[int]:
    return [count for count in range(1, before + 1) if count * size % block == 0]
