"""Ways of pruning in words: what each structure does, and a name for every way. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pruning.planning.recipe.mask_options import MIXED, MaskOptions
from pruning.planning.recipe.plan import LAYERS, UNIT_KINDS, units_gone
from pruning.planning.recipe.training import Training
from pruning.ui.text import format, labels
from pruning.wording import counted

STRUCTURE = {
    "unstructured": "Single weights",
    "n:m": "N of every M",
    "block": "Blocks",
    "neurons": "Neurons",
    "heads": "Heads",
    "kv_groups": "KV groups",
    "layers": "Layers",
    MIXED: "Units and weights",
}
# So many settings of a mixed plan are spelled out in its name.
MOST_PARTS = 4
UNIT = {"neurons": "neurons", "heads": "heads", "kv_groups": "KV groups", "layers": "layers"}
ZEROS, SMALLER, FULL_SIZE = (
    ":gray-badge[zeros: common engines are not faster]",
    ":green-badge[smaller tensors: common engines can get faster]",
    ":orange-badge[full-size with zeros: this cannot be written smaller]",
)
STRUCTURE_HELP = {
    "unstructured": "Any weight may become zero. It hurts least for the share that goes, and helps where the "
    "model is kept or sent in a sparse form.",
    "n:m": "Of every M weights in a row N stay. 2:4 is the pattern that NVIDIA's chips have circuits for, "
    "but common engines no longer use them.",
    "block": "Weights go in whole rectangles. Kernels made for that can skip them; common engines have none.",
    "neurons": "Whole neurons of the MLP go, a row of gate and up with its column of down. What stays is "
    "refitted to make up for them.",
    "heads": "Whole attention heads go; what stays is refitted. Keys and values go with the last head that "
    "reads them.",
    "kv_groups": "Heads go together with the keys and values they share, so the memory that a long "
    "conversation takes shrinks as well.",
    "layers": "Whole layers go. It saves most time for each step, and a layer more or less is a coarse step.",
}
SCOPE = {
    None: "As the criterion has it",
    "row": "The weights of one row",
    "group": "The weights of one group",
    "layer": "All groups of a layer",
    "model": "The whole model",
}
# The scope as it stands in the middle of a title.
RANKED = {
    "row": "ranked within each row",
    "group": "ranked within each group",
    "layer": "ranked over each layer",
    "model": "ranked over the whole model",
}
SAME_SHARE = (
    "Compare points that stand above one another: they removed the same share of the prunable weights. A "
    "method that removed less will nearly always look better. All are measured on the same text."
)


def badge(structure: str, why_not: str | None) -> str:
    """Whether what is chosen leaves zeros or smaller tensors; `why_not`: why units leave zeros as well."""
    if structure not in (*UNIT_KINDS, MIXED):
        return ZEROS
    return SMALLER if why_not is None else FULL_SIZE


# Of the best units, whose numbers are not known before.
BUNDLED = "Layers lose different numbers: the folder opens with a small modelling file that comes with it."
NOT_HELD = (
    "Layers lose different numbers, which no file may hold: then it is written full-size with zeros. For a "
    "smaller folder choose a criterion instead."
)


def not_smaller(structure: str, count: int, total: int, nearest: Sequence[int], groups: int) -> str:
    """Why a model without so many heads or KV groups a layer can only be written full-size with zeros.

    `nearest` are the nearest numbers that can be written smaller; `groups` is how many KV groups there are.
    """
    unit = UNIT[structure]
    if structure == "heads" and groups < total and count % groups:
        why = f"{counted(count, 'head')} cannot come evenly from {counted(groups, 'KV group')}"
    else:
        why = f"The model's family has no configuration for {total - count} of {total} {unit}"
    could = (
        f"The nearest that can be written smaller: {' or '.join(map(str, nearest))}."
        if nearest
        else "Neurons and layers can be written smaller."
    )
    return f"{why}, so this can only be written full-size with zeros. {could}"


def method(
    criterion: str,
    settings: Sequence[str],
    options: Mapping[str, Any],
    recovery: Mapping[str, Any] | None = None,
    totals: Sequence[int] = (),
) -> str:
    """What was done, in a few words; `totals` are the units of every layer, where they are known."""
    chosen = MaskOptions.of(options)
    parts = [_what(chosen, settings, totals)]
    if chosen.structure != "layers":
        parts.append(labels.CRITERION_NAME.get(criterion, criterion))
    parts += changed_options(chosen.changed())
    if recovery is not None:
        parts.append(f"trained for {counted(Training.of(recovery).steps, 'step')}")
    return ", ".join(parts)


def _what(options: MaskOptions, settings: Sequence[str], totals: Sequence[int]) -> str:
    structure, level = options.structure, _one_level(settings)
    if structure == MIXED:
        said = [*map(_part, settings)]
        more = [f"and {len(said) - MOST_PARTS} more"] if len(said) > MOST_PARTS else []
        what = " · ".join([*said[:MOST_PARTS], *more])
        return what[:1].upper() + what[1:]
    if structure == "layers":
        gone = settings[0].partition("@")[2].partition("=")[0] if settings else ""
        what = "Layer" if gone.isdigit() else "Layers"
        return f"{what} {gone.replace('-', '–').replace(',', ', ')} dropped"
    if structure in UNIT_KINDS:
        unit = UNIT[structure]
        if level is None:
            return f"{STRUCTURE[structure]}, more where they cost less"
        if structure != "neurons" and totals and len(set(totals)) == 1:
            return f"{units_gone(totals[0], level)} of {totals[0]} {unit}"
        return f"{format.percent(level)} of {unit}"
    what = {"n:m": f"{options.pattern}", "block": f"{options.block} blocks"}.get(structure, "weights")
    if level is None:
        return f"{what[0].upper()}{what[1:]}, levels by group"
    return what if structure == "n:m" else f"{format.percent(level)} of {what}"


def _part(setting: str) -> str:
    """One setting of a mixed plan in words."""
    target, _, level = setting.partition("=")
    kind, _, layers = target.partition("@")
    shown = layers.replace("-", "–").replace(",", ", ")
    if kind == LAYERS:
        return f"{'layer' if layers.isdigit() else 'layers'} {shown} dropped"
    what = "weights" if kind == "all" else UNIT.get(kind) or labels.kind(kind)
    return f"{format.percent(float(level))} of {what}" + (f" in {shown}" if layers else "")


def _one_level(settings: Sequence[str]) -> float | None:
    """The level of all groups or units, where they have but one."""
    if len(settings) != 1 or "@" in settings[0]:
        return None
    target, _, level = settings[0].partition("=")
    return float(level) if target == "all" or target in UNIT_KINDS else None


def changed_options(options: Mapping[str, Any]) -> list[str]:
    """The options that are not as usual, each in words; options that fit nothing together are words "
    "as well."""
    said = []
    if options.get("scope"):
        said.append(RANKED.get(options["scope"], str(options["scope"])))
    if options.get("protect"):
        said.append(f"layers {options['protect'].replace('-', '–')} protected")
    if options.get("floor") is not None:
        said.append(f"at least {format.percent(options['floor'])}")
    if options.get("ceiling") is not None:
        said.append(f"at most {format.percent(options['ceiling'])}")
    if options.get("round_to"):
        said.append(f"multiples of {options['round_to']}")
    if options.get("compensate") is False:
        said.append("not refitted")
    return said


def stays(kept: Sequence[int], totals: Sequence[int], structure: str) -> str:
    """How many units stay, in a sentence."""
    unit = UNIT[structure]
    if structure == "layers":
        return f"**{sum(kept)} of {len(kept)} layers** stay."
    if len(set(kept)) == len(set(totals)) == 1:
        return f"**{kept[0]:,} of {totals[0]:,} {unit}** stay in every layer."
    most = f"{max(totals):,}"
    return f"**{min(kept):,} to {max(kept):,} of {most} {unit}** stay, depending on the layer."
