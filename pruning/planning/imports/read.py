"""Which tool a file is of, and the plan in it. Files from others are data: nothing in them is run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pruning.errors import PruningError
from pruning.files import MOST_YAML_BYTES, parse_yaml, read_text
from pruning.planning.imports.imported import Imported, Module
from pruning.planning.imports.layers import is_list, is_mergekit, read_list, read_mergekit
from pruning.planning.imports.llm_compressor import is_llm_compressor, read_llm_compressor

KNOWN = (
    "a recipe of llm-compressor, a passthrough file of mergekit, or a list of the layers that go, "
    "such as 21-24,27"
)


def read_plan(source: str, modules: Sequence[Module]) -> Imported:
    """The plan in a file of another tool, or in a list of layers that is given itself.

    Parameters
    ----------
    source
        The path of a file; or the list, such as `21-24,27`.
    modules
        The model's linear modules in groups.

    Raises
    ------
    PruningError
        The file cannot be read, is of no tool that is known, or asks for what cannot be had here.
    """
    layers = 1 + max(module.group[0] for module in modules)
    path = Path(source).expanduser()
    if not path.is_file() and is_list(source):
        return read_list(source, "The list", layers)
    value = _parsed(_text(path, source), source)
    if is_llm_compressor(value):
        return read_llm_compressor(value, source, modules)
    if is_mergekit(value):
        return read_mergekit(value, source, layers)
    if is_list(value):
        return read_list(value, source, layers)
    if is_recipe(value):
        raise PruningError(f"{source} is a recipe of Prunescope already. Use it as it is.")
    raise PruningError(f"{source} is nothing that can be imported. Give {KNOWN}.")


def is_recipe(value: Any) -> bool:
    """Whether what a file says is a recipe of Prunescope."""
    return isinstance(value, dict) and {"version", "model", "sparsity"} <= set(value)


def _text(path: Path, source: str) -> str:
    try:
        return read_text(path, MOST_YAML_BYTES)
    except UnicodeDecodeError:
        raise PruningError(f"{source} is not a text file. Give {KNOWN}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PruningError(f"{source} cannot be read: {reason}. Give {KNOWN}.") from None


def _parsed(text: str, source: str) -> Any:
    """The YAML (or JSON) of a file. One part standing for another is refused: it can stand for thousands."""
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise PruningError(f"{source} has aliases (*name) in it. Write out what they stand for.")
        return parse_yaml(text)[0]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PruningError(f"{source} is not readable YAML: {reason}.") from None
