"""The task that turns another tool's file into a recipe."""

from math import prod
from typing import Any

from pruning.engine.architecture.groups import weight_shape
from pruning.planning.imports.imported import Module
from pruning.planning.imports.read import read_plan
from pruning.tasks.context.session import Session
from pruning.tasks.recipe import recipe


def import_plan(
    session: Session, source: str, criterion: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """A recipe for the session's model from a file of llm-compressor or mergekit, or from a list of layers.

    Parameters
    ----------
    session
        The model; the text that weights are scored on.
    source
        The path of the file, or a list of layers such as `21-24,27`.
    criterion
        What chooses weights, in place of what the file says.
    name
        A name for the recipe.

    Returns
    -------
    dict
        As `recipe` does, with the `form` of the file and `notes` on what is not the same here.
    """
    modules = [
        Module(part.module, group.key, prod(weight_shape(session.model, part)))
        for group in session.groups
        for part in group.parts
    ]
    found = read_plan(source, modules)
    made = recipe(
        session,
        session.settings(found.plan),
        criterion or found.criterion or "fisher",
        labels={"name": name, "notes": " ".join([f"From {found.form}.", *found.notes])},
        **found.options.changed(),
    )
    return {"form": found.form, "notes": list(found.notes), **made}
