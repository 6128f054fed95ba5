"""A plan: the share of weights to prune in each group.

A group is (layer, kind); its level is the share of its weights that is pruned, 0 (dense) to 0.95. Plans are
written as short settings, `up=0.5` or `down@0-3,7=0.1`, in which a later setting wins over an earlier one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pruning.errors import PruningError

KINDS = ("qkv", "attn_out", "gate", "up", "down")
# Units of structured pruning; a plan holds groups of weights, or one kind of unit in each layer.
UNIT_KINDS = ("neurons", "heads", "kv_groups", "layers")
MAX_LEVEL = 0.95
MIN_STEP = 0.001

Group = tuple[int, str]
Plan = dict[Group, float]


def parse_settings(settings: Sequence[str], groups: Sequence[Group]) -> Plan:
    """The plan that settings such as `up=0.5`, `down@0-3,7=0.1` or `all=0.3` describe for a model's groups.

    Later settings win. Groups at level 0 are left out of the plan. Raises PruningError for a setting that
    cannot be read, a kind or layer that the model has not, and a level outside 0..0.95.
    """
    plan = named_levels(settings, groups)
    return {group: plan[group] for group in groups if plan.get(group, 0.0) > 0.0}


def named_levels(settings: Sequence[str], groups: Sequence[Group]) -> Plan:
    """The level of every group that settings name, levels of 0 included; otherwise as `parse_settings`."""
    plan: Plan = {}
    for setting in settings:
        kind, layers, level = _read_setting(setting)
        if kind == "all" and any(other in UNIT_KINDS for _, other in groups):
            raise PruningError(f'Setting "{setting}": say what is to go, like {groups[0][1]}={level:g}.')
        plan.update(dict.fromkeys(select(groups, kind, layers, f'Setting "{setting}"'), level))
    return plan


def format_settings(plan: Plan, groups: Sequence[Group]) -> list[str]:
    """The shortest settings that `parse_settings` reads back as `plan`: a default a kind, then exceptions."""
    defaults, exceptions = summarise(plan, groups)
    if len(defaults) > 1 and len(set(defaults.values())) == 1:
        defaults = {"all": next(iter(defaults.values()))}
    return [f"{kind}={format_level(level)}" for kind, level in defaults.items() if level > 0.0] + [
        f"{kind}@{layers}={format_level(level)}" for kind, layers, level in exceptions
    ]


def summarise(plan: Plan, groups: Sequence[Group]) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
    """A plan as people read it: the commonest level of each kind, and (kind, layers, level) for the rest.

    Every kind that the model has gets a default, 0 where most of its groups stay dense.
    """
    strangers = sorted(set(plan) - set(groups))
    if strangers:
        layer, kind = strangers[0]
        raise PruningError(
            f"The plan names layer {layer} {kind}, which this model has not. Use a plan made for this model."
        )
    defaults: dict[str, float] = {}
    exceptions: list[tuple[str, str, float]] = []
    for kind in (*KINDS, *UNIT_KINDS):
        levels = {layer: plan.get((layer, kind), 0.0) for layer, other in groups if other == kind}
        if not levels:
            continue
        counts = Counter(levels.values())
        default = min(counts, key=lambda level: (-counts[level], level))
        defaults[kind] = default
        for level in sorted(set(counts) - {default}):
            layers = [layer for layer, given in levels.items() if given == level]
            exceptions.append((kind, format_layers(layers), level))
    return defaults, exceptions


def plan_id(plan: Plan) -> tuple[tuple[int, str, float], ...]:
    """The same value for plans of the same levels, to six decimals, however their settings are spelled."""
    return tuple(sorted((*group, round(level, 6)) for group, level in plan.items() if level > 0.0))


def select(groups: Sequence[Group], kind: str, layers: str | None, where: str) -> list[Group]:
    """The groups of one kind ("all" for every kind) in some layers ("0-3,7"; None for every layer).

    `where` opens the sentence of the PruningError raised when the model has no such kind or layer.
    """
    present = [name for name in (*KINDS, *UNIT_KINDS) if any(name == other for _, other in groups)]
    if kind in UNIT_KINDS and kind not in present:
        raise PruningError(f"{where}: {kind} go with the structure {kind}. Set it (--structure {kind}).")
    if kind in KINDS and set(present) <= set(UNIT_KINDS):
        raise PruningError(f"{where}: with the structure {present[0]} only {present[0]} can go, not {kind}.")
    if kind not in (*KINDS, *UNIT_KINDS, "all"):
        raise PruningError(f'{where}: there is no group "{kind}". Use one of {", ".join(KINDS)}, or all.')
    if kind != "all" and kind not in present:
        raise PruningError(f'{where}: this model has no group "{kind}". It has {", ".join(present)}.')
    numbers = None if layers is None else parse_layers(layers, where)
    last = max((layer for layer, _ in groups), default=-1)
    if numbers is not None and max(numbers) > last:
        raise PruningError(f"{where}: there is no layer {max(numbers)}. This model's layers are 0 to {last}.")
    chosen = [
        (layer, other)
        for layer, other in groups
        if kind in (other, "all") and (numbers is None or layer in numbers)
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


def sparsity(plan: Plan, parameters: Mapping[Group, int]) -> float:
    """The share of all prunable weights that the plan prunes, 0..1; `parameters` is weights per group."""
    total = sum(parameters.values())
    removed = sum(level * parameters[group] for group, level in plan.items())
    return removed / total if total else 0.0


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
