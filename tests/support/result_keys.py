"""Whether a result has the keys that its type says, no more and no fewer, down to the rows of its lists."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from pruning.cli.reference.markdown import commands, described, nested, result_of, several_of
from pruning.workspace.task_registry import BY_NAME


def check_keys(value: Mapping[str, Any], result: type, where: str = "") -> None:
    """Fail where the value has a key that the type has not, or lacks one that it must have."""
    hints = get_type_hints(result, include_extras=True)
    where = where or result.__name__
    assert set(value) <= set(hints), f"{where}: {sorted(set(value) - set(hints))} are in no type"
    missing = result.__required_keys__ - set(value)  # type: ignore[attr-defined]
    assert not missing, f"{where}: {sorted(missing)} are missing"
    for name, inner in value.items():
        for kind, mark in nested(described(hints[name])[0]):
            rows = [] if inner is None else inner if mark else [inner]
            for row in rows:
                check_keys(row, kind, f"{where}.{name}{mark}")


def check_printed(command: str, value: Mapping[str, Any]) -> None:
    """Fail where what a command printed has other keys than docs/cli.md says."""
    row = BY_NAME.get(command)
    name = row.command if row is not None and command in row.aliases else command
    found = dict(commands())[name]
    several = several_of(found)
    check_keys(value, several if several is not None and "plans" in value else result_of(found))
