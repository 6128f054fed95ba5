"""The parts of a recipe's file and the types of its values."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pruning.errors import PruningError
from pruning.planning.recipe.plan import check_level, parse_layers

Kind = Literal["qkv", "attn_out", "gate", "up", "down", "neurons", "heads", "kv_groups", "layers"]


def _level(value: float) -> float:
    if value == 1.0:  # right for layers only, which the whole recipe is asked about
        return value
    try:
        return check_level(value, "")
    except PruningError as error:
        raise ValueError(str(error).removeprefix(": ")) from error


def _layers(value: str) -> str:
    try:
        parse_layers(value)
    except PruningError as error:
        raise ValueError(str(error).removeprefix("Layers: ")) from error
    return value


Level = Annotated[float, Field(strict=True), AfterValidator(_level)]
# YAML reads `layers: 7` as a number.
Layers = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v), AfterValidator(_layers)]
Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Text = Annotated[str, Field(min_length=1)]


class ModelEntry(BaseModel):
    """The model a recipe was made for: where it came from and the fingerprint of its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reference: Text
    fingerprint: Text


class DataEntry(BaseModel):
    """The text that the weights were scored on, by its name; the fingerprint is of its tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Text
    fingerprint: Text | None = None


class ExceptionEntry(BaseModel):
    """Layers of one kind whose level differs from the kind's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    layers: Layers
    level: Level
