"""A recipe of llm-compressor as a plan: levels by module become levels by group."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pruning.errors import PruningError
from pruning.planning.imports.imported import Imported, Module
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import MAX_LEVEL, Group
from pruning.wording import counted

FORM = "llm-compressor"
# Its modifiers that prune, each with the field that has the level and the criterion that does the same here.
PRUNES = {
    "SparseGPTModifier": ("sparsity", "sparsegpt"),
    "WandaPruningModifier": ("sparsity", "wanda"),
    "MagnitudePruningModifier": ("final_sparsity", "magnitude"),
}
_ALL = {"Linear", "__ALL__", "__ALL_PRUNABLE__"}
_PATTERN = "re:"
# A group that repeats, or many repetitions one after the other, can take for ever to match.
_REPEATED_GROUP, _REPEATS, MOST_REPEATS = re.compile(r"\)[*+{]"), re.compile(r"[*+{]"), 4
_LONGEST = 300


def is_llm_compressor(value: Any) -> bool:
    """Whether it looks like one of llm-compressor's recipes."""
    return any(True for _ in _modifiers(value))


def read_llm_compressor(value: Any, where: str, modules: Sequence[Module]) -> Imported:
    """The plan of a recipe.

    Parameters
    ----------
    value
        What the YAML holds.
    where
        The file, for errors.
    modules
        The model's linear modules in groups.

    Raises
    ------
    PruningError
        No modifier prunes, two do, a target is not understood or meets no module, or levels are no levels.
    """
    found = list(_modifiers(value))
    pruning = [(name, fields) for name, fields in found if name in PRUNES]
    if not pruning:
        names = ", ".join(name for name, _ in found)
        raise PruningError(f"{where} prunes nothing that is known here: it has {names}.")
    if len(pruning) > 1:
        names = " and ".join(name for name, _ in pruning)
        raise PruningError(f"{where} prunes more than once ({names}). Import one stage at a time.")
    (name, fields), notes = pruning[0], [_left_out(other) for other, _ in found if other not in PRUNES]
    levels = _levels(fields, PRUNES[name][0], where, modules)
    plan, averaged = _by_group(levels, modules)
    if averaged:
        notes.append(
            f"{counted(averaged, 'group')} had different levels for modules that are one group here, and got "
            "the mean of them."
        )
    options, note = _options(fields, where)
    return Imported(FORM, plan, PRUNES[name][1], options, (*notes, *note))


def _modifiers(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Modifiers at any depth of a recipe: stages can be named as one likes."""
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if isinstance(key, str) and key.endswith("Modifier"):
            yield key, inner if isinstance(inner, Mapping) else {}
        else:
            yield from _modifiers(inner)


def _left_out(name: str) -> str:
    quantizes = any(word in name for word in ("Quant", "GPTQ", "AWQ"))
    what = "quantizes (see `prunescope quantize`)" if quantizes else "has nothing to do with what is pruned"
    return f"{name} {what}, and is left out."


def _levels(fields: Mapping[str, Any], field: str, where: str, modules: Sequence[Module]) -> dict[str, float]:
    """The level of each module that is pruned."""
    if fields.get("sparsity_profile"):
        raise PruningError(
            f"{where} leaves the levels to the profile {fields['sparsity_profile']}, which is worked out "
            "while it runs. Solve for levels here instead: `prunescope recipe MODEL --best --sparsity 0.5`."
        )
    said = fields.get(field)
    targets = _names(fields.get("targets", ["Linear"]), where)
    given = said if isinstance(said, list) else [said] * len(targets)
    if len(given) != len(targets):
        raise PruningError(
            f"{where} has {counted(len(given), 'level')} for {counted(len(targets), 'target')}. There has to "
            "be one for each, or one for all."
        )
    ignored = _names(fields.get("ignore") or [], where)
    levels: dict[str, float] = {}
    for target, level in zip(targets, given, strict=True):
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= MAX_LEVEL:
            raise PruningError(
                f"{where}: the {field} of {target} is {level!r}, and has to be 0 to {MAX_LEVEL}."
            )
        names = [module.name for module in modules if _meant(target, module.name)]
        if not names:
            raise PruningError(
                f"{where}: the target {target} meets no module of this model's groups, such as "
                f"{modules[0].name}. Is it of another model?"
            )
        levels.update({name: float(level) for name in names if not any(_meant(i, name) for i in ignored)})
    if not levels:
        raise PruningError(f"{where} ignores every module that it targets, so that nothing would be pruned.")
    return levels


def _names(value: Any, where: str) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PruningError(f"{where}: targets and ignore have to be names, or lists of names.")
    for name in names:
        if name.startswith(_PATTERN):
            _check_pattern(name.removeprefix(_PATTERN), where)
    return list(names)


def _check_pattern(pattern: str, where: str) -> None:
    try:
        repeats = len(_REPEATS.findall(pattern))
        if len(pattern) > _LONGEST or repeats > MOST_REPEATS or _REPEATED_GROUP.search(pattern):
            raise PruningError(
                f"{where}: the pattern {pattern[:60]} could take for ever to match. Write it with at most "
                f"{MOST_REPEATS} repetitions (* + {{}}), and none of a group in brackets."
            )
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PruningError(f"{where}: {pattern[:60]} is no regular expression: {error}.") from None


def _meant(target: str, name: str) -> bool:
    """Whether a target means a module: by its class, its name or a part that holds it, or a pattern."""
    if target in _ALL or target.endswith(("DecoderLayer", "Block")):
        return True
    parts = name.split(".")
    holders = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    if target.startswith(_PATTERN):
        pattern = re.compile(target.removeprefix(_PATTERN))
        return any(pattern.match(holder) for holder in holders)
    return target in holders


def _by_group(levels: Mapping[str, float], modules: Sequence[Module]) -> tuple[dict[Group, float], int]:
    """Levels by group, weighed by parameters, and how many groups had more than one."""
    pruned: Counter[Group] = Counter()
    whole: Counter[Group] = Counter()
    different: dict[Group, set[float]] = {}
    for module in modules:
        level = levels.get(module.name, 0.0)
        pruned[module.group] += level * module.parameters  # type: ignore[assignment]
        whole[module.group] += module.parameters
        different.setdefault(module.group, set()).add(level)
    plan = {group: round(pruned[group] / whole[group], 6) for group in whole if pruned[group] > 0}
    return plan, sum(len(several) > 1 for several in different.values())


def _options(fields: Mapping[str, Any], where: str) -> tuple[MaskOptions, list[str]]:
    """The structure: `2:4` there is two zeros in four, and here the number that stays comes first."""
    structure = fields.get("mask_structure") or "0:0"
    match = re.fullmatch(r"(\d{1,4}):(\d{1,4})", str(structure))
    if match:
        zeros, of = map(int, match.groups())
        if (zeros, of) == (0, 0):
            return DEFAULT, []
        if 0 < zeros < of:
            return MaskOptions("n:m", f"{of - zeros}:{of}"), []
    if structure == "unstructured":
        return DEFAULT, []
    raise PruningError(
        f"{where}: the mask_structure {structure} is not known here; 0:0 and N:M such as 2:4 are. Change it, "
        "or set the levels by hand."
    )
