"""A plan: the share to prune of each group of weights, and of each layer's whole units.

A group is (layer, kind). Of a kind of weights the level is the share pruned, 0 (dense) to 0.95; of a kind of
units the share of the layer's units that go; a layer itself goes (1) or stays (0). Units go first: where a
plan has both, the level of weights is the share of those that stay. Plans are written as short settings,
`up=0.5`, `heads@8-20=0.22` or `layers@17=1`, in which a later setting wins over an earlier one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from pruning.errors import PruningError

KINDS = ("qkv", "attn_out", "gate", "up", "down")
# Units of structured pruning.
UNIT_KINDS = ("neurons", "heads", "kv_groups", "layers")
LAYERS = "layers"
# Units that share weights: a layer can lose some of one or of the other.
EXCLUSIVE = ("heads", "kv_groups")
# Units first, as they go.
ALL_KINDS = (*UNIT_KINDS[::-1], *KINDS)
MAX_LEVEL = 0.95
MIN_STEP = 0.001

Group = tuple[int, str]
Plan = dict[Group, float]


def parse_settings(settings: Sequence[str], groups: Sequence[Group]) -> Plan:
    """The plan that settings such as `up=0.5`, `heads@8-20=0.22` or `all=0.3` describe for a model's groups.

    Later settings win, and with a layer all that was set in it goes. Groups at level 0 are left out of the
    plan; `all` is every kind of weights.

    Raises
    ------
    PruningError
        For a setting that cannot be read, a kind or layer that the model has not, a level outside 0..0.95,
        and settings that contradict one another, both named.
    """
    plan = named_levels(settings, groups)
    plan = {group: plan[group] for group in groups if plan.get(group, 0.0) > 0.0}
    check_together(plan)
    return plan


def named_levels(settings: Sequence[str], groups: Sequence[Group]) -> Plan:
    """The level of every group that settings name, levels of 0 included; otherwise as `parse_settings`."""
    plan: Plan = {}
    by_layer: dict[int, list[Group]] = {}
    for group in groups:
        by_layer.setdefault(group[0], []).append(group)
    for setting in settings:
        kind, layers, level = _read_setting(setting)
        chosen = select(groups, kind, layers, f'Setting "{setting}"')
        gone = {layer for layer, other in plan if other == LAYERS and plan[layer, other] > 0}
        if layers is None and kind != LAYERS:
            # What is said of every layer is said of those that are there.
            chosen = [group for group in chosen if group[0] not in gone]
        for group in chosen:
            if kind == LAYERS and level > 0:
                plan.update(dict.fromkeys((g for g in by_layer[group[0]] if plan.get(g)), 0.0))
            plan[group] = level
    return plan


def check_together(plan: Plan) -> None:
    """Raise PruningError where two levels of the plan contradict each other; it names both."""
    for (layer, kind), level in plan.items():
        if not level:
            continue
        if kind != LAYERS and plan.get((layer, LAYERS)):
            raise PruningError(
                f"Layer {layer} goes (layers@{layer}=1), so nothing in it can be pruned besides: leave out "
                f"{kind}@{layer}={format_level(level)}, or keep the layer."
            )
        other = plan.get((layer, EXCLUSIVE[1])) if kind == EXCLUSIVE[0] else None
        if other:
            raise PruningError(
                f"In layer {layer} both heads={format_level(level)} and kv_groups={format_level(other)} are "
                "set, and a KV group is made of heads. Set one of the two to 0 there."
            )


def format_settings(plan: Plan, groups: Sequence[Group]) -> list[str]:
    """The shortest settings that `parse_settings` reads back as `plan`: a default a kind, then exceptions."""
    defaults, exceptions = summarise(plan, groups)
    weights = {kind: level for kind, level in defaults.items() if kind in KINDS}
    if len(weights) > 1 and len(set(weights.values())) == 1:
        shared = next(iter(weights.values()))
        defaults = {kind: level for kind, level in defaults.items() if kind not in KINDS} | {"all": shared}
    return [f"{kind}={format_level(level)}" for kind, level in defaults.items() if level > 0.0] + [
        f"{kind}@{layers}={format_level(level)}" for kind, layers, level in exceptions
    ]


def summarise(plan: Plan, groups: Sequence[Group]) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
    """A plan as people read it: the commonest level of each kind, and (kind, layers, level) for the rest.

    Every kind that the model has gets a default, 0 where most of its groups stay dense. Layers that go come
    first, and count in no other kind.
    """
    strangers = sorted(set(plan) - set(groups))
    if strangers:
        layer, kind = strangers[0]
        raise PruningError(
            f"The plan names layer {layer} {kind}, which this model has not. Use a plan made for this model."
        )
    defaults: dict[str, float] = {}
    exceptions: list[tuple[str, str, float]] = []
    gone = {layer for layer, kind in plan if kind == LAYERS}
    for kind in ALL_KINDS:
        levels = {
            layer: plan.get((layer, kind), 0.0)
            for layer, other in groups
            if other == kind and (kind == LAYERS or layer not in gone)
        }
        if not levels:
            continue
        counts = Counter(levels.values())
        default = 0.0 if kind == LAYERS else min(counts, key=lambda level: (-counts[level], level))
        defaults[kind] = default
        for level in sorted(set(counts) - {default}):
            layers = [layer for layer, given in levels.items() if given == level]
            exceptions.append((kind, format_layers(layers), level))
    return defaults, exceptions


def kinds_of(settings: Iterable[str]) -> set[str]:
    """The kinds that settings give a level above 0, `all` being every kind of weights."""
    kinds: set[str] = set()
    for setting in settings:
        kind, _, level = _read_setting(setting)
        if level > 0:
            kinds |= set(KINDS) if kind == "all" else {kind}
    return kinds


def plan_id(plan: Plan) -> tuple[tuple[int, str, float], ...]:
    """The same value for plans of the same levels, to six decimals, however their settings are spelled."""
    return tuple(sorted((*group, round(level, 6)) for group, level in plan.items() if level > 0.0))


def select(groups: Sequence[Group], kind: str, layers: str | None, where: str) -> list[Group]:
    """The groups of one kind ("all" for every kind) in some layers ("0-3,7"; None for every layer).

    `where` opens the sentence of the PruningError raised when the model has no such kind or layer.
    """
    present = [name for name in ALL_KINDS if any(name == other for _, other in groups)]
    if kind not in (*ALL_KINDS, "all"):
        raise PruningError(f'{where}: there is no group "{kind}". Use one of {", ".join(ALL_KINDS)}, or all.')
    if kind in KINDS and set(present) <= set(UNIT_KINDS):
        raise PruningError(f"{where}: only {' and '.join(present)} can go here, not {kind}.")
    if kind != "all" and kind not in present:
        unpriced = kind in UNIT_KINDS and set(present) <= set(KINDS)
        hint = " Draw the map again to plan whole units." if unpriced else ""
        raise PruningError(f'{where}: this model has no group "{kind}". It has {", ".join(present)}.{hint}')
    if kind == "all" and not set(present) & set(KINDS):
        raise PruningError(f"{where}: say what is to go, such as {present[0]}.")
    numbers = None if layers is None else parse_layers(layers, where)
    last = max((layer for layer, _ in groups), default=-1)
    if numbers is not None and max(numbers) > last:
        raise PruningError(f"{where}: there is no layer {max(numbers)}. This model's layers are 0 to {last}.")
    chosen = [
        (layer, other)
        for layer, other in groups
        if (kind == other or (kind == "all" and other in KINDS)) and (numbers is None or layer in numbers)
    ]
    if not chosen:
        raise PruningError(f"{where}: no group of this model matches. Name other layers or another group.")
    return chosen


def parse_layers(text: str, where: str = "Layers") -> list[int]:
    """The layer numbers in text such as `0-3,7`, ascending. Raises PruningError where it cannot be read."""
    layers: set[int] = set()
    for piece in text.split(","):
        first, dash, last = (part.strip() for part in piece.partition("-"))
        numbers = [first, last] if dash else [first]
        if not all(number.isascii() and number.isdigit() and len(number) < 6 for number in numbers):
            raise PruningError(f'{where}: "{text}" is not a list of layers. Write them like 0-3,7.')
        start, stop = int(numbers[0]), int(numbers[-1])
        if start > stop:
            raise PruningError(f'{where}: the range "{piece.strip()}" runs backwards. Write {stop}-{start}.')
        layers.update(range(start, stop + 1))
    return sorted(layers)


def format_layers(layers: Iterable[int]) -> str:
    """Layer numbers as text with ranges: 0, 1, 2, 3 and 7 become `0-3,7`."""
    runs: list[tuple[int, int]] = []
    for layer in sorted(set(layers)):
        if runs and runs[-1][1] == layer - 1:
            runs[-1] = (runs[-1][0], layer)
        else:
            runs.append((layer, layer))
    return ",".join(str(start) if start == stop else f"{start}-{stop}" for start, stop in runs)


def check_level(level: float, where: str, kind: str = "all") -> float:
    """`level` itself when a plan may hold it; PruningError opening with `where` when not.

    That is 0 to 0.95, and for layers, which go or stay, 0 or 1.
    """
    if kind == "layers":
        if level not in (0.0, 1.0):
            raise PruningError(
                f"{where}: a layer goes (1) or stays (0). Name those that go, like layers@7,12=1."
            )
    elif not 0.0 <= level <= MAX_LEVEL:
        raise PruningError(
            f"{where}: the level {level:g} is outside 0 to {MAX_LEVEL:g}. "
            "It is the share of a group's weights to remove, so 0.5 means half."
        )
    return level


def parse_levels(text: str) -> list[float]:
    """The levels in text such as `0.1:0.9:0.1` (start:stop:step, both ends included) or `0.3,0.5`, ascending.

    Raises PruningError where it cannot be read, and for levels outside 0..0.95.
    """
    ranged = ":" in text
    pieces = text.split(":" if ranged else ",")
    try:
        numbers = [float(piece) for piece in pieces]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(number) for number in numbers) or (ranged and len(numbers) != 3):
        raise PruningError(f'Levels: "{text}" cannot be read. Write 0.1:0.9:0.1 or 0.3,0.5.')
    if ranged:
        start, stop, step = numbers
        if step < MIN_STEP or start > stop:
            raise PruningError(
                f'Levels: "{text}" holds no levels. Write start:stop:step, step {MIN_STEP:g} or more.'
            )
        for end in (start, stop):
            check_level(end, f'Levels "{text}"')
        # Six decimals take off what adding steps of 0.1 leaves behind.
        numbers = [round(start + i * step, 6) for i in range(int((stop - start) / step + 1e-6) + 1)]
    return sorted({check_level(number, f'Levels "{text}"') for number in numbers})


def format_levels(levels: Sequence[float]) -> str:
    """Levels as the text that `parse_levels` reads back, as a range where they are evenly spaced."""
    ordered = sorted(levels)
    if len(ordered) > 2:
        step = round((ordered[-1] - ordered[0]) / (len(ordered) - 1), 6)
        text = ":".join(format_level(number) for number in (ordered[0], ordered[-1], step))
        if step >= MIN_STEP and parse_levels(text) == ordered:
            return text
    return ",".join(format_level(level) for level in ordered)


def units_gone(total: int, level: float, round_to: int | None = None) -> int:
    """How many of a layer's `total` units are pruned at a level (0..1); one at least is kept.

    With `round_to` the number kept is rounded to the nearest multiple of it that is there.
    """
    kept = max(1, total - round(level * total))
    if round_to and kept < total:
        most = total // round_to * round_to
        kept = min(max(round_to, round(kept / round_to) * round_to), most) or total
    return total - kept


def _read_setting(setting: str) -> tuple[str, str | None, float]:
    """(kind, layers or None, level) of one setting."""
    target, equals, number = setting.partition("=")
    kind, at, layers = target.partition("@")
    try:
        level = float(number)
    except ValueError:
        level = None
    if not equals or not kind.strip() or level is None or (at and not layers.strip()):
        raise PruningError(
            f'Setting "{setting}" cannot be read. Write KIND=LEVEL or KIND@LAYERS=LEVEL, '
            "like up=0.5 or down@0-3,7=0.1."
        )
    kind = kind.strip()
    return kind, layers if at else None, check_level(level, f'Setting "{setting}"', kind)


def format_level(level: float) -> str:
    """A level as the shortest text that reads back as the same number."""
    return repr(float(level)).removesuffix(".0")
