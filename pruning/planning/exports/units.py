"""Whether a family's configuration describes what units leave of a model, and the nearest plan it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pruning.planning.cost.parts import HEADS, KV_GROUPS, LAYERS, NEURONS, heads_gone
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.recipe.mix import in_whole_units, unit_part
from pruning.planning.recipe.plan import MAX_LEVEL, Plan


@dataclass(frozen=True)
class Left:
    """What a layer keeps; `even`: its KV groups keep equally many heads, or none."""

    neurons: int
    heads: int
    kv_groups: int
    even: bool


def left_of(facts: ModelFacts, plan: Plan, round_to: int | None = None) -> dict[int, Left]:
    """What each layer that stays keeps by a plan; 0 of units that were not counted."""
    whole = in_whole_units(unit_part(plan), facts.units, round_to)
    lost = {layer for layer, kind in whole if kind == LAYERS}
    left = {}
    for layer in (layer for layer in range(facts.layers) if layer not in lost):
        heads, groups = heads_gone(facts.units, layer, whole)
        neurons, all_heads, all_groups = (
            facts.units.get(kind, {}).get(layer, 0) for kind in (NEURONS, HEADS, KV_GROUPS)
        )
        left[layer] = Left(
            neurons - round(whole.get((layer, NEURONS), 0.0) * neurons),
            all_heads - heads,
            all_groups - groups,
            even=(layer, HEADS) not in whole or all_heads - heads in dict(_even(all_heads, all_groups)),
        )
    return left


def why_not_even(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why no tensor can be cut: heads that would not come evenly from their KV groups; None where they do."""
    for layer, kept in left.items():
        total, groups = facts.units.get(HEADS, {}).get(layer, 0), facts.units.get(KV_GROUPS, {}).get(layer, 0)
        if not kept.even:
            could = list(allowed_heads(facts))
            return (
                f"{kept.heads} of {total} heads in layer {layer}: those that go would not come evenly from "
                f"its {groups} KV groups; {_or(_beside(kept.heads, could))} would do"
            )
    return None


def why_not_cut(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why not even a layer of its own can have so many heads; None where it can."""
    if facts.known is None:
        return None if why_not_alike(facts, left) else why_not_counted(facts, left)
    if facts.known.heads != "fixed":
        return None
    totals = facts.units.get(HEADS, {})
    fewer = [layer for layer, kept in left.items() if kept.heads != totals.get(layer, 0)]
    return _no_place(facts, left[fewer[0]].heads, totals[fewer[0]], ()) if fewer else None


def why_not_alike(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why one number does not describe all layers; None where it does."""
    for name, words in ((NEURONS, "neurons"), (HEADS, "heads"), (KV_GROUPS, "KV groups")):
        counts = {layer: getattr(kept, name) for layer, kept in left.items()}
        if len(set(counts.values())) > 1:
            few, many = min(counts.values()), max(counts.values())
            return (
                f"The layers would keep different numbers of {words} ({few:,} to {many:,}), and "
                f"{facts.name}'s configuration has one number for all"
            )
    return None


def why_not_counted(facts: ModelFacts, left: Mapping[int, Left]) -> str | None:
    """Why the configuration has no place for the number of heads that is left; None where it has."""
    layer, kept = next(iter(left.items()))
    total = facts.units.get(HEADS, {}).get(layer, 0)
    could = allowed_heads(facts)
    if kept.heads == total or kept.heads in could:
        return None
    others = _beside(kept.heads, list(could))
    if facts.known and facts.known.heads == "divisors":
        start = f"{kept.heads} of {total} heads: {facts.name}'s configuration"
        return f"{start} wants a divisor of {facts.hidden_size:,}; {_or(others)} would do"
    return _no_place(facts, kept.heads, total, others)


def _no_place(facts: ModelFacts, heads: int, total: int, others: Sequence[int]) -> str:
    return f"{heads} of {total} heads: {facts.name}'s configuration has no place for another number; " + (
        f"{_or(others)} would do" if set(others) - {total} else "all must stay"
    )


def allowed_heads(facts: ModelFacts) -> dict[int, tuple[str, int]]:
    """Numbers of heads that every layer may keep, all of them first, each with (kind, how many go).

    Heads come evenly from their KV groups, or whole KV groups go; where both give a number heads go.
    """
    total, groups = (next(iter(facts.units.get(kind, {}).values()), 0) for kind in (HEADS, KV_GROUPS))
    if not total:
        return {}
    ways = {total - lost: (KV_GROUPS, lost * groups // total) for lost in range(0, total, total // groups)}
    ways |= {heads: (HEADS, total - heads) for heads, _ in _even(total, groups)}
    return {total: (HEADS, 0)} | {heads: way for heads, way in ways.items() if _described(facts, heads, way)}


def _described(facts: ModelFacts, heads: int, way: tuple[str, int]) -> bool:
    """Whether the configuration has a place for fewer heads of the same size."""
    if facts.known is None:
        return facts.writable is None or way[1] in facts.writable.get(way[0], ())
    allows = facts.known.heads
    return allows == "any" or (allows == "divisors" and facts.hidden_size % heads == 0)


def _even(total: int, groups: int) -> list[tuple[int, int]]:
    """(heads, KV groups) that stay where heads come evenly from all groups; one alone has its own group."""
    if groups == total:
        return [(heads, heads) for heads in range(total - 1, 0, -1)]
    several = [(total - lost, groups) for lost in range(groups, total, groups)]
    return [*several, (1, 1)] if total > 1 else several


def alike(facts: ModelFacts, plan: Plan, round_to: int | None = None) -> tuple[Plan, str]:
    """The nearest plan whose units every layer loses equally many of, as the configuration can say; in words.

    Layers that go, and levels of weights, stay as they are.
    """
    left = left_of(facts, plan, round_to)
    near = {group: level for group, level in plan.items() if group[1] not in facts.units}
    said = []
    neurons = next(iter(facts.units.get(NEURONS, {}).values()), 0)
    kept = round(sum(own.neurons for own in left.values()) / len(left))
    if kept < neurons:
        near |= _levels(left, NEURONS, neurons - kept, neurons)
        if len({own.neurons for own in left.values()}) > 1:
            said.append(f"{kept:,} of {neurons:,} neurons")
    ways = allowed_heads(facts)
    if ways:
        mean = sum(own.heads for own in left.values()) / len(left)
        heads = min(ways, key=lambda count: (abs(count - mean), count))
        kind, gone = ways[heads]
        totals = facts.units[kind]
        near |= _levels(left, kind, gone, next(iter(totals.values())))
        if {own.heads for own in left.values()} != {heads}:
            said.append(f"{heads} of {max(ways)} heads")
    return near, f"{' and '.join(said) or 'as much'} in every layer"


def _levels(left: Mapping[int, Left], kind: str, gone: int, total: int) -> Plan:
    level = round(min(gone / total, MAX_LEVEL), 6)
    return {(layer, kind): level for layer in left} if gone else {}


def _beside(count: int, counts: Sequence[int]) -> list[int]:
    """The nearest below and the nearest above, as far as there are any."""
    ordered = sorted(set(counts))
    return [*[n for n in ordered if n < count][-1:], *[n for n in ordered if n > count][:1]]


def _or(numbers: Sequence[int]) -> str:
    return or_words([f"{number:,}" for number in numbers])


def or_words(names: Sequence[str]) -> str:
    """Names in a sentence: "6 or 9", "q8_0, q4_0 or q4_k"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
