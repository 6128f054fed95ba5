"""What was written of the session's model, and names that are free. No drawing here, and no torch."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, names
from pruning.planning.recipe.plan import format_settings
from pruning.ui.data import queries, session
from pruning.workspace import results


def free_name(stem: str) -> str:
    """The first of stem, stem-2, stem-3, … under which no model is written yet."""
    folder = queries.store().exports()
    numbered = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    return next(name for name in numbered if not (folder / name).exists())


def exports(model: queries.Info) -> list[dict[str, Any]]:
    """Written models of this one, newest first."""
    return results.exports(queries.store(), results.computed(model.facts))


def is_written(model: queries.Info) -> bool:
    """Whether exactly the session's plan, with its criterion and text, was written, and is on disk still."""
    try:
        settings = format_settings(session.plan(model.groups), model.groups)
    except PruningError:
        return False
    same = [value for value in exports(model) if list(value["settings"]) == settings != []]
    return any(_as_chosen(value) and Path(value["out"]).is_dir() for value in same)


def _as_chosen(value: dict[str, Any]) -> bool:
    """Whether an export was made as the session would make it: without options, and without training."""
    choice, recipe = session.current(), value.get("recipe") or {}
    text = recipe.get("data", {}).get("name", choice.data)
    masks = {name: recipe[name] for name in names() if recipe.get(name) is not None}
    return (
        (recipe.get("criterion", choice.criterion), text) == (choice.criterion, choice.data)
        and MaskOptions.of(masks) == DEFAULT
        and not recipe.get("recovery")
    )
