"""Presets: ready plans around one overall level, with their numbers in view and open to change.

The level of every group is fixed + times × the overall level. Presets are about single weights; the guide's
have heads besides, where the groups have any.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pruning.errors import PruningError
from pruning.planning.recipe.plan import KINDS, MAX_LEVEL, Group, Plan, check_level

Parts = tuple[float, float]


@dataclass(frozen=True)
class Number:
    """One number of a preset; `whole` ones count layers."""

    default: float
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Preset:
    """A ready plan. `part(layer, kind, layers, numbers)` gives (fixed, times) of one group.

    `layers` are the model's layer numbers, ascending.
    """

    description: str
    numbers: Mapping[str, Number]
    part: Callable[[int, str, Sequence[int], Mapping[str, float]], Parts]


def _uniform(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    return 0.0, 1.0


def _attention(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    return numbers.get(kind, 0.0), 0.0


def _mlp(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    return 0.0, numbers["down_times"] if kind == "down" else numbers["gate_up_times"] * (
        kind in ("gate", "up")
    )


def _guide(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    part = _attention if kind in _ATTENTION else _mlp
    return part(layer, kind, layers, numbers)


def _protect_early(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    return 0.0, numbers["share"] if layer in layers[: int(numbers["layers"])] else 1.0


def _protect_ends(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    count = int(numbers["layers"])
    ends = [*layers[:count], *layers[len(layers) - count :]]
    return 0.0, numbers["share"] if layer in ends else 1.0


def _ramp(layer: int, kind: str, layers: Sequence[int], numbers: Mapping[str, float]) -> Parts:
    along = layers.index(layer) / max(len(layers) - 1, 1)
    return 0.0, numbers["first_times"] + along * (numbers["last_times"] - numbers["first_times"])


MOST_TIMES = 3.0
_ATTENTION = {"qkv": Number(0.1, 0.0, MAX_LEVEL), "heads": Number(0.25, 0.0, MAX_LEVEL)}
_MLP = {"gate_up_times": Number(1.5, 0.0, MOST_TIMES), "down_times": Number(0.5, 0.0, MOST_TIMES)}

PRESETS: Mapping[str, Preset] = {
    "uniform": Preset("The same level in every group.", {}, _uniform),
    "guide": Preset(
        "A tenth of QKV and a quarter of the heads; in the MLP heavier on gate and up than on down.",
        {**_ATTENTION, **_MLP},
        _guide,
    ),
    "guide_attention": Preset(
        "Attention alone: a tenth of the weights of QKV, and a quarter of the heads.", _ATTENTION, _attention
    ),
    "guide_mlp": Preset("The MLP alone, heavier on gate and up than on down.", _MLP, _mlp),
    "protect_early": Preset(
        "The same level everywhere, but only a share of it in the first layers.",
        {"layers": Number(4, 0, 1000, whole=True), "share": Number(0.25, 0.0, 1.0)},
        _protect_early,
    ),
    "protect_ends": Preset(
        "The same level everywhere, but only a share of it in the first and the last layers.",
        {"layers": Number(2, 0, 1000, whole=True), "share": Number(0.25, 0.0, 1.0)},
        _protect_ends,
    ),
    "ramp": Preset(
        "A straight line over depth, from the first layer to the last.",
        {"first_times": Number(0.5, 0.0, MOST_TIMES), "last_times": Number(1.5, 0.0, MOST_TIMES)},
        _ramp,
    ),
}


def preset_parts(name: str, groups: Sequence[Group], **numbers: float) -> dict[Group, Parts]:
    """One of `PRESETS` as (fixed, times) of every group, with its own numbers or those given.

    Raises PruningError for a strategy or a number that does not exist or is out of range.
    """
    if name not in PRESETS:
        raise PruningError(f'There is no strategy "{name}". Use one of {", ".join(PRESETS)}.')
    chosen = PRESETS[name]
    for key, value in numbers.items():
        _check_number(name, chosen, key, value)
    used = {key: number.default for key, number in chosen.numbers.items()} | numbers
    layers = sorted({layer for layer, _ in groups})
    none, guided = (0.0, 0.0), _ATTENTION.keys() & chosen.numbers.keys()
    return {
        group: chosen.part(*group, layers, used) if group[1] in KINDS or group[1] in guided else none
        for group in groups
    }


def preset_plan(name: str, level: float, groups: Sequence[Group], **numbers: float) -> Plan:
    """The plan of one of `PRESETS` around an overall level (0..0.95) for a model's groups."""
    parts = preset_parts(name, groups, **numbers)
    check_level(level, f'Strategy "{name}"')
    plan = {group: round(min(fixed + times * level, MAX_LEVEL), 6) for group, (fixed, times) in parts.items()}
    return {group: share for group, share in plan.items() if share > 0.0}


def parse_preset(text: str, groups: Sequence[Group]) -> Plan:
    """The plan in text such as `guide_mlp=0.3` or `protect_ends=0.3,layers=4,share=0`."""
    first, *others = text.replace(" ", "").split(",")
    read: dict[str, float] = {}
    for piece in (first, *others):
        key, _, number = piece.partition("=")
        try:
            read[key] = float(number)
        except ValueError:
            raise PruningError(
                f'Strategy "{text}" cannot be read. Write NAME=LEVEL and its numbers, '
                "like guide_mlp=0.3 or protect_ends=0.3,layers=4,share=0."
            ) from None
    name = first.partition("=")[0]
    return preset_plan(name, read.pop(name), groups, **read)


def _check_number(name: str, chosen: Preset, key: str, value: float) -> None:
    number = chosen.numbers.get(key)
    if number is None:
        names = ", ".join(chosen.numbers) or "none"
        raise PruningError(f'The strategy "{name}" has no number "{key}". It has {names}.')
    if not number.low <= value <= number.high or (number.whole and value != int(value)):
        kind = "a whole number" if number.whole else "a number"
        raise PruningError(f"{key} of {name} should be {kind} from {number.low:g} to {number.high:g}.")
