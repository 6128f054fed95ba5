"""The recipe: a versioned YAML file that says what was pruned of which model, and how it was chosen.

The names of the criteria are passed in by whoever knows them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

from pruning.errors import PruningError
from pruning.files import MOST_YAML_BYTES, parse_yaml, read_text
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, for_plan, names, planned_options
from pruning.planning.recipe.plan import (
    KINDS,
    MAX_LEVEL,
    UNIT_KINDS,
    Group,
    Plan,
    check_level,
    format_level,
    parse_settings,
    summarise,
)
from pruning.planning.recipe.recipe_entries import (
    DataEntry,
    ExceptionEntry,
    Kind,
    Layers,
    Level,
    ModelEntry,
    Share,
    Text,
)
from pruning.planning.recipe.training import Training

VERSION = 2

_HEADER = """\
# A Prunescope recipe: what to remove from a model, and how the weights to go are chosen.
# sparsity is the share that goes (0 to {limit:g}) in every layer: of its heads, KV groups or neurons, which
# go whole and first, and of the weights that stay in each group (qkv, attn_out, gate, up, down); layers: 1
# drops a layer. exceptions name layers that differ, and a later one wins.
"""


class Recipe(BaseModel):
    """Everything needed to prune the same weights of the same model again."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[2]
    name: Text | None = None
    notes: str | None = None
    created: datetime | None = None
    model: ModelEntry
    data: DataEntry
    criterion: Text
    structure: Literal["unstructured", "n:m", "block"] = "unstructured"
    pattern: Text | None = None
    block: Text | None = None
    scope: Literal["row", "group", "layer", "model"] | None = None
    protect: Layers | None = None
    floor: Share | None = None
    ceiling: Share | None = None
    compensate: bool | None = None
    round_to: int | None = None
    sparsity: dict[Kind, Level]
    exceptions: tuple[ExceptionEntry, ...] = ()
    recovery: dict[str, Any] | None = None

    @field_validator("criterion")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        criteria = (info.context or {}).get("criteria")
        stored = canonical_criterion(name)
        if criteria is not None and stored not in criteria:
            raise ValueError(f'there is no criterion "{name}"; use one of {", ".join(criteria)}')
        return stored

    @field_validator("recovery")
    @classmethod
    def _trainable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            return None if value is None else Training.of(value).changed()
        except PruningError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            levels = [(entry.kind, entry.level) for entry in self.exceptions]
            for kind, level in [*self.sparsity.items(), *levels]:
                check_level(level, kind, kind)
            self.options()
        except PruningError as error:
            raise ValueError(str(error)) from error
        return self

    @classmethod
    def load(cls, path: str | Path, criteria: Sequence[str] | None = None) -> Self:
        """The recipe in a file; `criteria` are the known names, when they are to be checked.

        Raises PruningError for a file that cannot be read and for everything `loads` refuses.
        """
        try:
            text = read_text(path, MOST_YAML_BYTES)
        except UnicodeDecodeError as error:
            raise PruningError(f"{path} is not a text file. A recipe is a YAML file.") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PruningError(f"The recipe {path} cannot be read: {reason}.") from error
        return cls.loads(text, criteria, where=str(path))

    @classmethod
    def loads(cls, text: str, criteria: Sequence[str] | None = None, where: str = "This recipe") -> Self:
        """The recipe in YAML text. Raises one PruningError that lists everything wrong with it."""
        try:
            value, node = parse_yaml(text)
        except ValueError as error:
            raise PruningError(f"{where} is not readable YAML: {error}.") from error
        if not isinstance(value, dict):
            raise PruningError(f"{where} is not a recipe: it should start with `version: {VERSION}`.")
        return cls.from_dict(value, criteria, where, tuple(_doubles(node)))

    @classmethod
    def from_dict(
        cls,
        value: dict[str, Any],
        criteria: Sequence[str] | None = None,
        where: str = "This recipe",
        problems: Sequence[str] = (),
    ) -> Self:
        """The recipe in plain data, of any version; `problems` found earlier are reported with those found
        here."""
        try:
            recipe = cls.model_validate(_of_this_version(value), context={"criteria": criteria})
        except ValidationError as error:
            problems = [*problems, *(_problem(detail) for detail in error.errors())]
        if problems:
            raise PruningError("\n  ".join([f"{where} has errors:", *problems]))
        return recipe

    @classmethod
    def from_plan(
        cls,
        plan: Plan,
        groups: Sequence[Group],
        model: ModelEntry,
        data: DataEntry,
        criterion: str,
        options: MaskOptions = DEFAULT,
    ) -> Self:
        """The recipe of a plan: the commonest level of each kind, then the layers that differ.

        Parameters
        ----------
        plan
            Levels of some of the `groups`; the others stay dense.
        groups
            All groups of the model, by which a kind's commonest level is told.
        model, data, criterion, options
            What the plan is for, and how the weights to prune are chosen.

        Raises
        ------
        PruningError
            For levels that the options do not allow; it lists everything wrong.
        """
        defaults, exceptions = summarise(plan, groups)
        kinds = {kind for _, kind in plan}
        weights = bool(kinds & set(KINDS)) or not kinds
        named = {kind: lv for kind, lv in defaults.items() if lv > 0 or (weights and kind in KINDS)}
        return cls.from_dict(
            {
                "version": VERSION,
                "model": model.model_dump(),
                "data": data.model_dump(),
                "criterion": criterion,
                **for_plan(options, kinds).written(),
                "sparsity": named,
                "exceptions": [{"kind": k, "layers": layers, "level": lv} for k, layers, lv in exceptions],
            }
        )

    def with_details(
        self,
        name: str | None = None,
        notes: str | None = None,
        created: datetime | None = None,
        recovery: Mapping[str, Any] | None = None,
    ) -> Self:
        """The same with what is given of these; PruningError for a `recovery` that cannot be."""
        given = {"name": name, "notes": notes, "created": created, "recovery": recovery}
        return self.from_dict({**self.to_dict(), **{key: v for key, v in given.items() if v is not None}})

    def checked(self, criteria: Sequence[str]) -> Self:
        """The same, once its criterion is one of these; PruningError where it is not."""
        return self.from_dict(self.to_dict(), criteria)

    def to_dict(self) -> dict[str, Any]:
        """Plain data (JSON-able) that `from_dict` reads back, without the entries that are not set."""
        return self.model_dump(mode="json", exclude_none=True)

    def dumps(self) -> str:
        """The recipe as YAML, with a comment on top that says what it is."""
        lines = [_HEADER.format(limit=MAX_LEVEL)]
        for key, value in self.to_dict().items():
            flow = None if key == "exceptions" else False
            lines.append(
                yaml.safe_dump(
                    {key: value}, sort_keys=False, allow_unicode=True, width=200, default_flow_style=flow
                )
            )
        return "".join(lines)

    def settings(self) -> list[str]:
        """The same levels as settings, such as `up=0.5` and `down@0-3=0.1`."""
        return [f"{kind}={format_level(level)}" for kind, level in self.sparsity.items() if level > 0.0] + [
            f"{entry.kind}@{entry.layers}={format_level(entry.level)}" for entry in self.exceptions
        ]

    def options(self) -> MaskOptions:
        """What is set beside the levels, and the structure that follows from these."""
        given = {name: getattr(self, name) for name in names()}
        kinds = {kind for kind, level in self.sparsity.items() if level > 0}
        kinds |= {entry.kind for entry in self.exceptions if entry.level > 0}
        return planned_options(given, kinds)

    def to_plan(self, groups: Sequence[Group]) -> Plan:
        """The plan for a model's groups; PruningError when it names what the model has not."""
        return parse_settings(self.settings(), groups)

    def check_model(self, fingerprint: str, computed: str | None = None) -> None:
        """Raise PruningError when the recipe was made for other weights than those with this fingerprint, or
        `computed`, as they are computed with, which older recipes have."""
        if self.model.fingerprint not in (fingerprint, computed):
            raise PruningError(
                f"This recipe was made for another model: {self.model.reference} with the fingerprint "
                f"{self.model.fingerprint}, and this one's is {fingerprint}. Load that model, "
                "or write a new recipe for this one."
            )


def _of_this_version(value: dict[str, Any]) -> dict[str, Any]:
    """The same recipe as this version writes it: the first had whole units as the structure of all."""
    if value.get("version") != 1:
        return value
    units = value.get("structure") in UNIT_KINDS
    return {k: v for k, v in value.items() if not (units and k == "structure")} | {"version": VERSION}


def _problem(detail: ErrorDetails) -> str:
    """One line for one error: the key's path, and what is wrong with it."""
    place = [part for part in detail["loc"] if part != "[key]"]
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        said = f"is no key of a recipe; known here are {', '.join(_keys(place[:-1]))}"
    elif kind == "missing":
        said = "is missing"
    elif kind == "literal_error":
        said = f"is {detail['input']!r} but should be {context['expected']}"
    elif kind == "value_error":
        said = str(context["error"])
    elif kind in ("model_type", "dict_type"):
        said = f"should be a set of keys with values (it is {detail['input']!r})"
    elif kind == "string_type":
        said = f"should be text, in quotes if it looks like a number (it is {detail['input']!r})"
    else:
        said = f"{detail['msg'][0].lower()}{detail['msg'][1:]} (it is {detail['input']!r})"
    return f"{'.'.join(map(str, place)) or 'recipe'}: {said}"


def _keys(place: Sequence[int | str]) -> list[str]:
    """The keys allowed at a place in the file."""
    entry: dict[str, type[BaseModel]] = {"model": ModelEntry, "data": DataEntry, "exceptions": ExceptionEntry}
    return list((entry[str(place[0])] if place else Recipe).model_fields)


def _doubles(node: yaml.Node | None, path: str = "") -> Iterator[str]:
    """A line for each key written twice; YAML itself would let the last one win in silence."""
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = f"{path}{key.value}"
            if name in names:
                yield f"{name}: is written twice"
            names.add(name)
            yield from _doubles(value, f"{name}.")
