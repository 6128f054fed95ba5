"""A Python script that holds a recipe as data and rebuilds its model, to read and to run anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from pruning.planning.recipe.recipe import Recipe

FILE = "rebuild.py"
WIDTH = 96
_SCRIPT = '''\
"""Rebuilds {name} from {model}: prunes it anew, writes it, and compares every weight.

    python {file} FOLDER

Written by Prunescope, whose Python package it needs; it loads the original model and reads the text that the
weights are chosen on. RECIPE is all that was decided. FOLDER must not exist; from_pretrained loads it.
"""

import sys

{imports}

MODEL = {reference}
# Number format to compute in.
DTYPE = {dtype}
# Whether what goes is zeros in full-size tensors, or cut out of them.
MASKED = {masked}
# SHA-256 of all weights that were written from this recipe.
WEIGHTS = {digest}
RECIPE = {recipe}


def main(folder: str) -> None:
    session = Session.open(MODEL, RECIPE["data"]["name"], dtype=DTYPE)
{recover}    written = export(session, RECIPE, out=folder, masked=MASKED)
    print(f"KL to the dense model: {{written['kl']:.4f}} nats per token; written to {{folder}}")
    if written["digest"] != WEIGHTS:
        sys.exit("The weights differ in some bits from those that this script was written beside.")
    print("Every weight is the same, bit for bit.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the folder to write: python {file} FOLDER")
    main(sys.argv[1])
'''
_RECOVER = """\
    # Training first; what is in the workspace already is not trained again.
    recover(session, SETTINGS, RECIPE["criterion"], RECIPE["recovery"], **OPTIONS)
"""


@dataclass(frozen=True)
class Rebuilt:
    """What a script must give again: how the model is written, and the `digest` of its weights."""

    reference: str
    dtype: str
    masked: bool
    digest: str


def script(recipe: Recipe, rebuilt: Rebuilt) -> str:
    """The text of the script. What it holds of the recipe and the model is data, whatever stands in it."""
    trained = recipe.recovery is not None
    content = recipe.to_dict()
    return _SCRIPT.format(
        name=_plain(recipe.name or "a pruned model"),
        model=_plain(rebuilt.reference),
        file=FILE,
        imports=f"from pruning import Session, export{', recover' if trained else ''}",
        reference=_literal(rebuilt.reference),
        dtype=_literal(rebuilt.dtype),
        masked=rebuilt.masked,
        digest=_literal(rebuilt.digest),
        recipe=_data("RECIPE", content) + (_trained(recipe) if trained else ""),
        recover=_RECOVER if trained else "",
    )


def _trained(recipe: Recipe) -> str:
    """What training is asked for by beside the recipe: its levels as settings, and its options."""
    settings, options = recipe.settings(), recipe.options().changed()
    return f"\nSETTINGS = {_data('SETTINGS', settings)}\nOPTIONS = {_data('OPTIONS', options)}"


def _data(name: str, value: Mapping[str, Any] | list[str]) -> str:
    """A value as a Python literal, its later lines under its first."""
    lines = pformat(value, width=WIDTH - len(name) - 3, sort_dicts=False).splitlines()
    return ("\n" + " " * (len(name) + 3)).join(lines)


def _literal(text: str) -> str:
    return json.dumps(text)


def _plain(text: str) -> str:
    """A text that can stand in the script's own description."""
    return text.replace("\\", "/").replace('"', "'").replace("\n", " ")
