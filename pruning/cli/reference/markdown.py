"""docs/cli.md, written from the commands and from the types of their results.

`python -m pruning.cli.reference.markdown > docs/cli.md` writes it anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import click

from pruning.cli import main
from pruning.cli.options import HOW
from pruning.planning.recipe.mask_options import names
from pruning.planning.recipe.training import Training
from pruning.workspace.task_registry import ROWS

# Options that many commands share are listed once: the title of their section, and their names.
SHARED: Mapping[str, frozenset[str]] = {
    "How a model is loaded": frozenset(HOW),
    "Who does the work": frozenset(("address", "workers")),
    "How it is pruned": frozenset(names()),
    "How it is trained": frozenset(field.name for field in fields(Training)),
}


_OPTIONS = ("| option | what it does |", "| --- | --- |")


def result_of(command: click.Command) -> type:
    """The TypedDict that the command's last line of JSON is."""
    result: type = command.result  # type: ignore[attr-defined]
    return result


def several_of(command: click.Command) -> type | None:
    """The TypedDict that it is where several things were asked for at once, if that is another."""
    several: type | None = command.several  # type: ignore[attr-defined]
    return several


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that the help lists, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif not command.hidden:
            yield " ".join((*path, name)), command


def document() -> str:
    """The text of docs/cli.md."""
    parts = [Path(__file__).with_name("reference.md").read_text(encoding="utf-8")]
    parts += [f"\n## {title}\n\n{_section(shared)}\n" for title, shared in SHARED.items()]
    parts += [f"\n## {name}\n\n{_command(name, command)}" for name, command in commands()]
    return "".join(parts)


def _section(shared: frozenset[str]) -> str:
    """The options of these names, as a command that has them all says them."""
    command = next(command for _, command in commands() if shared <= {p.name for p in command.params})
    return "\n".join([*_OPTIONS, *(_option(command, p) for p in command.params if p.name in shared)])


def keys(result: type, under: str = "") -> Iterator[tuple[str, str, bool]]:
    """Each key of a result, its word, and whether it is always there; those of rows after their row's.

    A key inside another is `outer.inner`, and `outer[].inner` in a list.
    """
    for name, hint in get_type_hints(result, include_extras=True).items():
        kind, word = described(hint)
        yield f"{under}{name}", word, name in result.__required_keys__  # type: ignore[attr-defined]
        for inner, mark in nested(kind):
            yield from keys(inner, f"{under}{name}{mark}.")


def described(hint: Any) -> tuple[Any, str]:
    """The type of a key without what is said about it, and what is said."""
    if get_origin(hint) is NotRequired:
        return described(get_args(hint)[0])
    word = next((text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)), "")
    return getattr(hint, "__origin__", hint) if word else hint, word


def nested(kind: Any) -> Iterator[tuple[type, str]]:
    """The result type inside a type, with the mark of a list: of `Row | None` and `list[Row]` it is `Row`."""
    if is_typeddict(kind):
        yield kind, ""
    elif get_origin(kind) is list:
        yield from ((inner, "[]") for inner in get_args(kind) if is_typeddict(inner))
    else:
        yield from ((inner, "") for inner in get_args(kind) if is_typeddict(inner))


def _command(name: str, command: click.Command) -> str:
    usage = " ".join(command.collect_usage_pieces(click.Context(command)))
    present = {parameter.name for parameter in command.params}
    sections = [title for title, shared in SHARED.items() if shared <= present]
    elsewhere = {option for title in sections for option in SHARED[title]}
    options = [
        _option(command, parameter)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in elsewhere
    ]
    links = [f"[{title}](#{title.lower().replace(' ', '-')})" for title in sections]
    lines = [f"`prunescope {name} {usage}`", "", *_paragraphs(command.help or ""), *_also(name)]
    lines += [*_OPTIONS, *options, ""] if options else []
    lines += [f"Also the options of: {', '.join(links)}.", ""] if links else []
    lines += ["| key of the JSON | what it is |", "| --- | --- |"]
    for key, word, always in keys(result_of(command)):
        lines.append(f"| `{key}`{'' if always else ' ?'} | {_cell(word)} |")
    several = several_of(command)
    if several is not None:
        # The rows inside are those above.
        inside = [(key, word) for key, word, _ in keys(several) if "[]" not in key]
        lines += ["", "| of several, key of the JSON | what it is |", "| --- | --- |"]
        lines += [f"| `{key}` | {_cell(word)} |" for key, word in inside]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    return [line for paragraph in text.split("\n\n") for line in (" ".join(paragraph.split()), "")]


def _also(name: str) -> list[str]:
    former = [alias for row in ROWS if row.command == name for alias in row.aliases]
    return [f"Also, as before: `prunescope {former[0]}`.", ""] if former else []


def _option(command: click.Command, option: click.Parameter) -> str:
    spelling, text = option.get_help_record(click.Context(command)) or ("", "")
    return f"| `{_cell(spelling)}` | {_cell(text)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    print(document(), end="")
