"""Mask options: what can be set beside the levels, such as structure, scope, protected layers and bounds.

All of it belongs to the mask and none to a criterion; every criterion can be used with every option.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.plan import KINDS, LAYERS, UNIT_KINDS, Group, Plan, format_level, parse_layers

WEIGHT_STRUCTURES = ("unstructured", "n:m", "block")
STRUCTURES = (*WEIGHT_STRUCTURES, *UNIT_KINDS)
# Of a plan with units and something beside; the options of its weights stay what they are.
MIXED = "mixed"
SCOPES = ("row", "group", "layer", "model")
POOLED = ("layer", "model")
# Where one threshold serves several groups, none of them is pruned further than this without a `ceiling`.
POOLED_CEILING = 0.99


@dataclass(frozen=True)
class MaskOptions:
    """How levels become masks. What is None was not set.

    `structure`: "unstructured" removes single weights; "n:m" keeps N of every M consecutive inputs of each
    output (`pattern` "2:4": two zeros in four); "block" removes rectangles of rows x columns (`block`
    "16x16"). `scope`: what is compared with what, the weights of a row, of a group, of all groups of a layer
    or of the whole model; None leaves it to the criterion. `protect`: layers that stay dense, like "0-1,29".
    `floor` and `ceiling`: levels (0..1) that no group which is pruned at all goes under or over.

    The other structures are whole units (structured pruning), alone or "mixed" with others and with single
    weights; which of these it is follows from the plan (`for_plan`). `compensate`: the weights kept in a
    layer whose neurons or heads are pruned are fitted to compensate for them (least squares). `round_to`: the
    number of neurons kept is rounded to the nearest multiple of this.
    """

    structure: str = "unstructured"
    pattern: str | None = None
    block: str | None = None
    scope: str | None = None
    protect: str | None = None
    floor: float | None = None
    ceiling: float | None = None
    compensate: bool = True
    round_to: int | None = None

    @property
    def whole(self) -> bool:
        """Whether whole units are pruned (structured pruning)."""
        return self.structure in (*UNIT_KINDS, MIXED)

    @property
    def of_weights(self) -> str:
        """The structure of single weights: unstructured, n:m or block."""
        if self.structure in WEIGHT_STRUCTURES:
            return self.structure
        return "n:m" if self.pattern else "block" if self.block else "unstructured"

    def __post_init__(self) -> None:
        _check_structure(self)
        _check_bounds(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "MaskOptions":
        """Options from plain values; PruningError for a name there is none of."""
        strange = sorted(set(values) - set(names()))
        if strange:
            raise PruningError(f'There is no option "{strange[0]}". Use some of {", ".join(names())}.')
        return cls(**{name: value for name, value in values.items() if value is not None})

    def changed(self) -> dict[str, Any]:
        """Only what differs from its default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def written(self) -> dict[str, Any]:
        """What differs from its default, as recipes and commands write it: the structure is the weights'."""
        return replace(self, structure=self.of_weights).changed() if self.whole else self.changed()

    def everywhere(self) -> dict[str, Any]:
        """Every option, None where it has its default: to look for results made with just these options."""
        return {**dict.fromkeys(names()), **self.changed()}


def names() -> tuple[str, ...]:
    """The names of all options."""
    return tuple(field.name for field in fields(MaskOptions))


def planned_options(values: Mapping[str, Any], kinds: Collection[str]) -> MaskOptions:
    """Options from plain values, with the structure that follows from the kinds in a plan.

    One kind of unit alone is its own structure, units with anything beside are "mixed", and weights alone
    have the structure of weights. Of a plan that prunes nothing the structure is the one given.

    Raises
    ------
    PruningError
        For an option of weights where no weights are pruned, or of units where none are.
    """
    units = [kind for kind in UNIT_KINDS if kind in kinds]
    weights = any(kind in KINDS for kind in kinds)
    given = values.get("structure") or WEIGHT_STRUCTURES[0]
    if not units and not weights:
        return MaskOptions.of(values)
    if given in UNIT_KINDS and given not in units:
        raise PruningError(
            f"With the structure {given} only {given} can go, and the plan has none. Set some, such as "
            f"{given}=0.2, or leave the structure out."
        )
    if given not in WEIGHT_STRUCTURES:
        given = "n:m" if values.get("pattern") else "block" if values.get("block") else WEIGHT_STRUCTURES[0]
    MaskOptions(given, values.get("pattern"), values.get("block"))  # refuses a structure without its numbers
    structure = given if not units else MIXED if weights or len(units) > 1 else units[0]
    options = MaskOptions.of({**values, "structure": structure})
    if not options.compensate and not set(units) - {LAYERS}:
        raise PruningError("Only neurons and heads are compensated for. Leave compensate out.")
    if options.round_to is not None and "neurons" not in units:
        raise PruningError("round_to is a number of neurons, and this plan removes none. Leave it out.")
    return options


def for_plan(options: MaskOptions, kinds: Collection[str]) -> MaskOptions:
    """The same options with the structure that follows from a plan's kinds, see `planned_options`."""
    return planned_options(options.changed(), kinds)


def _check_structure(options: MaskOptions) -> None:
    structure = options.structure
    if structure not in (*STRUCTURES, MIXED):
        raise PruningError(f'There is no structure "{structure}". Use one of {", ".join(STRUCTURES)}.')
    if options.pattern is not None and options.block is not None:
        raise PruningError("A pattern and a block cannot both be: leave one of them out.")
    for name, owner, example in (("pattern", "n:m", "2:4"), ("block", "block", "16x16")):
        given = getattr(options, name)
        if structure == owner and given is None:
            raise PruningError(f"The structure {owner} needs a {name}, such as {name}={example}.")
        if structure not in (owner, MIXED) and given is not None:
            raise PruningError(
                f"A {name} goes with the structure {owner}, and this one is {structure}. "
                f"Set structure={owner}, or leave the {name} out."
            )
    if options.pattern is not None:
        kept_of(options.pattern)
    if options.block is not None:
        block_of(options.block)


def _check_bounds(options: MaskOptions) -> None:
    if options.scope is not None and options.scope not in SCOPES:
        raise PruningError(f'There is no scope "{options.scope}". Use one of {", ".join(SCOPES)}.')
    if options.structure in UNIT_KINDS and options.scope is not None:
        raise PruningError(f"{options.structure} have no scope: those of one layer are compared.")
    if options.structure == MIXED and options.scope in POOLED:
        raise PruningError(
            "Where whole units go the weights of each layer are pruned before the next is looked at, so that "
            f"there is no scope {options.scope}. Use the scope row or group."
        )
    if options.round_to is not None and options.round_to < 1:
        raise PruningError("round_to is a number of neurons, 1 or more.")
    if options.scope is not None and options.pattern is not None:
        raise PruningError("The structure n:m has no scope: each M inputs are compared with one another.")
    if options.protect is not None:
        parse_layers(options.protect, "Protected layers")
    floor, ceiling = bounds(options)
    if not (0.0 <= floor <= ceiling <= 1.0 and math.isfinite(floor + ceiling)):
        raise PruningError(
            f"The floor {floor:g} and the ceiling {ceiling:g} are no bounds of a level. Give two numbers "
            "from 0 to 1, the floor not above the ceiling."
        )


def scoped(options: MaskOptions, scope: str) -> MaskOptions:
    """The same options with the criterion's own scope, where the user named none and there can be one."""
    return replace(options, scope=scope) if options.scope is None and options.pattern is None else options


def bounds(options: MaskOptions) -> tuple[float, float]:
    """(floor, ceiling), with what holds where they were not set."""
    usual = POOLED_CEILING if options.scope in POOLED else 1.0
    return options.floor or 0.0, usual if options.ceiling is None else options.ceiling


def kept_of(pattern: str) -> tuple[int, int]:
    """(N, M) of a pattern such as "2:4": N of every M consecutive inputs are kept."""
    kept, colon, of = pattern.partition(":")
    if not (colon and kept.isascii() and of.isascii() and kept.isdigit() and of.isdigit()) or not (
        0 < int(kept) < int(of) <= 1024
    ):
        raise PruningError(
            f'The pattern "{pattern}" cannot be read. Write N:M, such as 2:4: of every 4 inputs 2 stay.'
        )
    return int(kept), int(of)


def block_of(block: str) -> tuple[int, int]:
    """(rows, columns) of a block such as "16x16"."""
    rows, cross, columns = block.lower().replace("×", "x").partition("x")
    if not (cross and rows.isascii() and columns.isascii() and rows.isdigit() and columns.isdigit()) or not (
        int(rows) and int(columns)
    ):
        raise PruningError(f'The block "{block}" cannot be read. Write ROWSxCOLUMNS, like 16x16 or 1x64.')
    return int(rows), int(columns)


def effective(plan: Plan, groups: Sequence[Group], options: MaskOptions) -> Plan:
    """The plan with protected layers dense and every other level within floor and ceiling.

    Where one threshold serves several groups the levels are only asked for together, and the bounds hold
    for what comes of it instead. Raises PruningError for a protected layer that the model has not, and for
    a level that an N:M pattern cannot give.
    """
    last = max((layer for layer, _ in groups), default=-1)
    spared = set(parse_layers(options.protect, "Protected layers")) if options.protect is not None else set()
    if spared and max(spared) > last:
        raise PruningError(
            f"Protected layers: there is no layer {max(spared)}. This model's layers are 0 to {last}."
        )
    floor, ceiling = (0.0, 1.0) if options.scope in POOLED else bounds(options)
    bounded = {
        group: level if group[1] == LAYERS else min(max(level, floor), ceiling)
        for group, level in plan.items()
        if group[0] not in spared and level > 0.0
    }
    if options.pattern is not None:
        _check_pattern(
            {group: level for group, level in bounded.items() if group[1] in KINDS}, options.pattern
        )
    return {group: level for group, level in bounded.items() if level > 0.0}


def _check_pattern(plan: Plan, pattern: str) -> None:
    kept, of = kept_of(pattern)
    given = round(1 - kept / of, 6)
    for (layer, kind), level in plan.items():
        if abs(level - given) > 1e-6:
            raise PruningError(
                f"The pattern {pattern} removes {format_level(given)} of a group, and the plan asks for "
                f"{format_level(level)} of {kind} in layer {layer}. Set the groups that get the pattern to "
                f"{format_level(given)} and the others to 0."
            )


DEFAULT = MaskOptions()
