"""The number formats of a GGUF file: which can hold what a plan leaves, and the nearest plan for one."""

from collections.abc import Iterable, Mapping
from functools import partial

from pruning.planning.cost.gguf_size import BLOCKS
from pruning.planning.cost.parts import HEADS
from pruning.planning.exports.llamacpp import NUMBERS, why_not_gguf, why_not_numbers, widths_of
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.targets import CANNOT, LOADS, Light, Nearest, Rule, Wanted, nearest_of
from pruning.planning.exports.units import Left, allowed_heads
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import Plan


def number_lights(wanted: Wanted) -> list[Light]:
    """A light for every number format, of a plan that llama.cpp has an architecture for."""
    found = []
    for numbers in NUMBERS:
        rule = Rule(partial(_why_not_in, numbers), lambda _: "", partial(_filling, numbers))
        why = rule.why_not(wanted)
        if why:
            found.append(Light(numbers, CANNOT, f"{why}.", nearest_of(rule, wanted)))
        else:
            found.append(Light(numbers, LOADS, f"llama.cpp opens it in {numbers}."))
    return found


def _why_not_in(numbers: str, wanted: Wanted) -> str | None:
    if wanted.masked or not unit_part(wanted.pruned):
        return None
    return why_not_gguf(wanted.facts, wanted.left) or why_not_numbers(wanted.facts, wanted.left, numbers)


def _filling(numbers: str, wanted: Wanted) -> Iterable[Nearest]:
    near = nearest_filling(wanted.facts, wanted.pruned, wanted.left, numbers)
    return () if near is None else (Nearest(*near),)


def nearest_filling(
    facts: ModelFacts, plan: Plan, left: Mapping[int, Left], numbers: str
) -> tuple[Plan, str] | None:
    """The nearest plan whose widths fill the blocks of such `numbers`, and what it changes, in words.

    Layers whose widths do already stay as they are. None where no number of heads would do.
    """
    block, _ = BLOCKS[numbers]
    near, changed = dict(plan), set()
    for layer, kept in left.items():
        for kind, before, after, size in widths_of(facts, layer, kept):
            if before * size % block or after * size % block == 0:
                continue
            ways = {n: (kind, before - n) for n in range(1, before + 1)}
            ways = allowed_heads(facts) if kind == HEADS else ways
            fitting = [count for count in ways if count * size % block == 0]
            if not fitting:
                return None
            count = min(fitting, key=lambda count: (abs(count - after), -count))
            near = {group: level for group, level in near.items() if group != (layer, kind)}
            what, gone = ways[count]
            total = facts.units[what][layer]
            near |= {(layer, what): round(gone / total, 6)} if gone else {}
            changed.add(f"{count:,} of {before:,} {kind}")
    several = f"whole blocks of {block} in every layer"
    return (near, changed.pop() if len(changed) == 1 else several) if changed else None
