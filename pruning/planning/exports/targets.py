"""The forms a plan can be written in: whether the reader opens it, why not, and the nearest plan it does."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from pruning.errors import PruningError
from pruning.planning.exports.llamacpp import gguf_reason, why_not_gguf, why_unknown
from pruning.planning.exports.llm_compressor import modifier_of
from pruning.planning.exports.model_facts import ModelFacts
from pruning.planning.exports.onnx import onnx_reason, why_not_onnx
from pruning.planning.exports.units import (
    Left,
    as_zeros,
    left_of,
    nearer,
    why_not_alike,
    why_not_counted,
    why_not_cut,
    why_not_even,
)
from pruning.planning.recipe.mask_options import DEFAULT, POOLED, MaskOptions, effective, for_plan
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import LAYERS, UNIT_KINDS, Plan

State = Literal["loads", "bundled code", "cannot"]
LOADS: State = "loads"
BUNDLED: State = "bundled code"
CANNOT: State = "cannot"
FULL_SIZE = "full-size with zeros in it (--masked) it can be written"


@dataclass(frozen=True)
class Wanted:
    """What is to be written: a plan for a model, its mask options, and how it is to be written.

    `criterion`: what chooses weights. `trained`: whether the recipe trains what is left. `masked`: units are
    zeros in full-size tensors.
    """

    facts: ModelFacts
    plan: Plan
    options: MaskOptions = DEFAULT
    criterion: str = "fisher"
    trained: bool = False
    masked: bool = False

    @cached_property
    def pruned(self) -> Plan:
        """What goes in fact: protected layers stay, and bounds hold."""
        return effective(self.plan, self.facts.groups, self.options)

    @cached_property
    def left(self) -> dict[int, Left]:
        """What each layer keeps."""
        return left_of(self.facts, self.pruned, self.options.round_to)


@dataclass(frozen=True)
class Nearest:
    """The nearest plan that a form can be written of, and what it changes, in words."""

    plan: Plan
    changes: str


@dataclass(frozen=True)
class Light:
    """A form that a plan can be written in or not.

    Attributes
    ----------
    target
        The form, as `--to` of the command export has it.
    state
        "loads" as it is; "bundled code": with a modelling file that comes with it; "cannot".
    reason
        Why, in one plain sentence.
    nearest
        Where it cannot: the nearest plan that can; None where no change of levels helps.
    """

    target: str
    state: State
    reason: str
    nearest: Nearest | None = field(default=None, compare=False)


def lights(wanted: Wanted) -> list[Light]:
    """A light for every form. Raises PruningError for a plan that cannot be at all."""
    return [light(target, wanted) for target in RULES]


def light(target: str, wanted: Wanted) -> Light:
    """The light of one form; its nearest plan has been asked about in its turn.

    Raises
    ------
    PruningError
        For a form there is none of, and a plan that cannot be at all.
    """
    if target not in RULES:
        raise PruningError(f'There is no form "{target}". Use one of {", ".join(RULES)}.')
    if len(wanted.left) == 0:
        raise PruningError("All layers would go. Keep one at least.")
    rule = RULES[target]
    why = rule.why_not(wanted)
    if why is None:
        code = rule.bundled(wanted)
        return Light(target, LOADS, rule.reason(wanted)) if code is None else Light(target, BUNDLED, code)
    return Light(target, CANNOT, f"{why}.", nearest_of(rule, wanted))


def check_writable(target: str, wanted: Wanted) -> None:
    """Raise PruningError where a form cannot be written, with what could be; what export is guarded by."""
    found = light(target, wanted)
    if found.state != CANNOT:
        return
    hints = [f"Nearest that fits: {found.nearest.changes}"] if found.nearest else []
    masked = replace(wanted, masked=True)
    if target in MASKABLE and unit_part(wanted.pruned) and RULES[target].why_not(masked) is None:
        hints.append(FULL_SIZE)
    text = "; ".join(hints)
    raise PruningError(f"{found.reason} {text[:1].upper()}{text[1:]}{'.' if text else ''}".strip())


@dataclass(frozen=True)
class Rule:
    """One form: why a plan cannot be written in it, what is said where it can, and plans that may do instead,
    the nearest first; the first that the form takes is offered.

    `bundled`: why it takes a modelling file to open it; None where it takes none.
    """

    why_not: Callable[[Wanted], str | None]
    reason: Callable[[Wanted], str]
    nearest: Callable[[Wanted], Iterable[Nearest] | None]
    bundled: Callable[[Wanted], str | None] = lambda _: None


def nearest_of(rule: Rule, wanted: Wanted) -> Nearest | None:
    """The first of the rule's plans that its form takes."""
    return next((near for near in rule.nearest(wanted) or () if not _refused(rule, wanted, near)), None)


def _refused(rule: Rule, wanted: Wanted, near: Nearest) -> bool:
    try:
        kinds = {kind for _, kind in near.plan}
        options = wanted.options
        if not kinds & set(UNIT_KINDS):
            weights = options.of_weights
            options = replace(options, structure=weights, compensate=DEFAULT.compensate, round_to=None)
        other = replace(wanted, plan=near.plan, options=for_plan(options, kinds))
        return rule.why_not(other) is not None
    except PruningError:
        return True


# ---- the rules --------------------------------------------------------------------------------------


def why_not_folder(wanted: Wanted) -> str | None:
    """Why from_pretrained would not open what is left as a smaller model; None where it would."""
    if wanted.masked or not unit_part(wanted.pruned):
        return None
    return why_not_even(wanted.facts, wanted.left) or why_not_cut(wanted.facts, wanted.left)


def why_bundled(wanted: Wanted) -> str | None:
    """Why from_pretrained opens what is left with a modelling file only; None where it takes none."""
    if wanted.masked or not unit_part(wanted.pruned):
        return None
    why = why_not_alike(wanted.facts, wanted.left) or why_not_counted(wanted.facts, wanted.left)
    if why is None:
        return None
    return (
        f"{why}. So a modelling file of a few lines goes with the folder: from_pretrained opens it with "
        "trust_remote_code=True, Prunescope without."
    )


def _folder_reason(wanted: Wanted) -> str:
    units = {kind for _, kind in unit_part(wanted.pruned)}
    if wanted.masked or not units:
        return "from_pretrained opens it: the shapes are the dense model's, and what went is zeros."
    what = "layers are" if units == {LAYERS} else "units are"
    return f"from_pretrained opens it: {what} cut out, and {wanted.facts.name}'s configuration says so."


def _alike(wanted: Wanted) -> Iterable[Nearest]:
    for near, changes in nearer(wanted.facts, wanted.pruned, wanted.left):
        yield Nearest(near, changes)


def _why_not_compact(wanted: Wanted) -> str | None:
    if wanted.masked or not unit_part(wanted.pruned):
        return None
    if not _weights(wanted):
        return "What goes whole is cut out and leaves no zeros to pack: the model folder is as small"
    return why_not_folder(wanted)


def _compact_nearest(wanted: Wanted) -> Iterable[Nearest]:
    return _alike(wanted) if _weights(wanted) else _zeros(wanted)


def _weights(wanted: Wanted) -> bool:
    return len(unit_part(wanted.pruned)) < len(wanted.pruned)


def _zeros(wanted: Wanted) -> Iterable[Nearest]:
    near = as_zeros(wanted.facts, wanted.pruned)
    return () if near is None else (Nearest(near, "the same shares as zeros among single weights"),)


def _why_not_llm_compressor(wanted: Wanted) -> str | None:
    family, plan, options = wanted.facts.known, wanted.pruned, wanted.options
    if unit_part(plan):
        return "llm-compressor makes zeros among single weights and cuts no units out"
    if options.block is not None:
        return "llm-compressor knows single weights and N:M, and no blocks"
    if options.scope in POOLED:
        return f"With the scope {options.scope} one threshold decides for all, and llm-compressor has none"
    if wanted.trained:
        return "The recipe trains what is left, and one of llm-compressor only prunes"
    if family is not None and not family.linear:
        return f"llm-compressor prunes linear layers, and {family.name}'s are of a class of their own"
    if family is not None and family.fused and _parted(plan):
        return f"{family.name} has gate and up in one module, which gets one level, and here they differ"
    return None if plan else "The plan prunes nothing"


def _parted(plan: Plan) -> bool:
    """Whether gate and up differ in some layer."""
    return any(plan.get((layer, "gate"), 0.0) != plan.get((layer, "up"), 0.0) for layer, _ in plan)


def _llm_compressor_reason(wanted: Wanted) -> str:
    chooser = modifier_of(wanted.criterion).removesuffix("PruningModifier").removesuffix("Modifier")
    return f"llm-compressor opens it: the same levels; it chooses the weights itself, by {chooser}."


def _why_not_gguf(wanted: Wanted) -> str | None:
    if wanted.masked or not unit_part(wanted.pruned):
        return why_unknown(wanted.facts)
    return why_not_gguf(wanted.facts, wanted.left)


def _why_not_onnx(wanted: Wanted) -> str | None:
    cut = unit_part(wanted.pruned) and not wanted.masked
    return why_not_onnx(wanted.facts, wanted.left) if cut else None


def _always(_: Wanted) -> None:
    return None


RULES: Mapping[str, Rule] = {
    "hf": Rule(why_not_folder, _folder_reason, _alike, why_bundled),
    "compact": Rule(
        _why_not_compact,
        lambda _: "Prunescope opens it: a bit a weight and the values that stay; others once it is unpacked.",
        _compact_nearest,
    ),
    "gguf": Rule(_why_not_gguf, lambda wanted: gguf_reason(wanted.facts, wanted.left), _alike),
    "onnx": Rule(_why_not_onnx, lambda wanted: onnx_reason(wanted.facts, wanted.left), _alike),
    "recipe": Rule(_always, lambda _: "Prunescope opens it, and so does anyone who reads YAML.", _always),
    "script": Rule(
        _always, lambda _: "Python runs it where Prunescope is installed, and gets the same weights.", _always
    ),
    "report": Rule(_always, lambda _: "Any browser opens it, without a network.", _always),
    "llm-compressor": Rule(_why_not_llm_compressor, _llm_compressor_reason, _zeros),
}
# What can be written full-size with zeros instead of cut.
MASKABLE = ("hf", "compact", "gguf", "onnx")
