"""What an import makes, and what it has to know of the model."""

from dataclasses import dataclass

from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import Group, Plan


@dataclass(frozen=True)
class Module:
    """A linear module of the model by its qualified name, and the group that it is part of."""

    name: str
    group: Group
    parameters: int


@dataclass(frozen=True)
class Imported:
    """A plan as it was understood.

    Parameters
    ----------
    form
        Whose file it is.
    plan
        Levels by group.
    criterion
        What chooses weights; empty where the file says nothing about it.
    options
        The structure of single weights.
    notes
        What was left out or is not the same here, a sentence each.
    """

    form: str
    plan: Plan
    criterion: str = ""
    options: MaskOptions = DEFAULT
    notes: tuple[str, ...] = ()
