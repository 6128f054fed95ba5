"""Whether a family's configuration describes what units leave of a model, and the nearest plan it does."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pruning.planning.cost.parts import HEADS, KV_GROUPS, LAYERS, NEURONS, heads_gone
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.recipe.mix import UNIT_PARTS, in_whole_units, unit_part
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, Group, Plan


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


def nearer(facts: ModelFacts, plan: Plan, left: Mapping[int, Left]) -> Iterator[tuple[Plan, str]]:
    """Plans that a form may take instead, those that change least first, with what each changes, in words.

    Heads that cannot be cut come to numbers that can; then neurons or heads to one number for all layers, or
    all heads stay; then both. `left` is what the plan leaves. Layers that go, and levels of weights, stay as
    they are.
    """
    neurons = _neurons_alike(facts, left)
    heads = [way for way in (_heads_even(facts, left), _heads_alike(facts, left), _no_heads(left)) if way]
    ways = [heads[:1], [neurons] if neurons else [], *([way] for way in heads[1:])]
    ways += [[way, neurons] for way in heads if neurons]
    for changes in filter(None, ways):
        near = dict(plan)
        for change in changes:
            near = {group: level for group, level in near.items() if group not in change.instead}
            near |= change.levels
        yield near, " and ".join(change.words for change in changes)


@dataclass(frozen=True)
class _Change:
    """New `levels` for the groups `instead` of which they stand, and what they are in words."""

    levels: Plan
    instead: frozenset[Group]
    words: str


def _change(layers: Iterable[int], kinds: Sequence[str], levels: Plan, words: str) -> _Change:
    return _Change(levels, frozenset((layer, kind) for layer in layers for kind in kinds), words)


def _neurons_alike(facts: ModelFacts, left: Mapping[int, Left]) -> _Change | None:
    """As many neurons in every layer as they keep on average; None where they are as many."""
    if len({own.neurons for own in left.values()}) == 1:
        return None
    total = next(iter(facts.units[NEURONS].values()))
    kept = round(sum(own.neurons for own in left.values()) / len(left))
    levels = _levels(left, NEURONS, total - kept, total)
    return _change(left, [NEURONS], levels, f"{kept:,} of {total:,} neurons in every layer")


def _heads_even(facts: ModelFacts, left: Mapping[int, Left]) -> _Change | None:
    """The nearest number of heads that can be cut, in the layers that have none; None where all have."""
    ways = allowed_heads(facts)
    fixed = facts.known is not None and facts.known.heads == "fixed"
    odd = [layer for layer, own in left.items() if not own.even or (fixed and own.heads not in ways)]
    if not odd:
        return None
    levels: Plan = {}
    counts = {layer: _nearest_of(ways, left[layer].heads) for layer in odd}
    for layer, count in counts.items():
        kind, gone = ways[count]
        levels |= _levels([layer], kind, gone, facts.units[kind][layer])
    where = "every layer" if len(odd) == len(left) else f"layer {odd[0]}" if len(odd) == 1 else ""
    said = or_words([str(count) for count in sorted(set(counts.values()))])
    words = f"{said} of {max(ways)} heads in {where or f'{len(odd)} layers'}"
    return _change(odd, [HEADS, KV_GROUPS], levels, words)


def _heads_alike(facts: ModelFacts, left: Mapping[int, Left]) -> _Change | None:
    """One number of heads in every layer; None where it is so, or heads do not come apart."""
    ways = allowed_heads(facts)
    if not ways:
        return None
    count = _nearest_of(ways, sum(own.heads for own in left.values()) / len(left))
    kind, gone = ways[count]
    if {(own.heads, own.even) for own in left.values()} == {(count, True)}:
        return None
    levels = _levels(left, kind, gone, next(iter(facts.units[kind].values())))
    return _change(left, [HEADS, KV_GROUPS], levels, f"{count} of {max(ways)} heads in every layer")


def _no_heads(left: Mapping[int, Left]) -> _Change:
    return _change(left, [HEADS, KV_GROUPS], {}, "all heads stay")


def _nearest_of(counts: Collection[int], wanted: float) -> int:
    """The nearest count; of two the one that keeps more, unless that is all."""
    return min(counts, key=lambda count: (abs(count - wanted), count == max(counts), -count))


def _levels(layers: Iterable[int], kind: str, gone: int, total: int) -> Plan:
    level = round(min(gone / total, MAX_LEVEL), 6)
    return {(layer, kind): level for layer in layers} if gone else {}


def as_zeros(facts: ModelFacts, plan: Plan) -> Plan | None:
    """The plan with each share of units as the same share of the weights they have a part of.

    None where whole layers go: no share of zeros stands for that.
    """
    if any(kind == LAYERS and level for (_, kind), level in plan.items()):
        return None
    stays: Plan = {}
    for (layer, kind), level in plan.items():
        for part in (kind,) if kind in KINDS else UNIT_PARTS[kind]:
            if part != "gate" or facts.gated:
                stays[layer, part] = stays.get((layer, part), 1.0) * (1 - level)
    return {group: round(min(1 - share, MAX_LEVEL), 6) for group, share in stays.items()}


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
