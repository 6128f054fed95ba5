"""docs/cli.md says what the commands do and print."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import click
import pytest

from pruning.cli import main
from pruning.cli.reference.markdown import commands, document, keys, result_of
from tests.support.result_keys import check_keys

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"


def test_the_page_is_as_the_commands_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), (
        "docs/cli.md is stale. Write it anew: python -m pruning.cli.reference.markdown > docs/cli.md"
    )


def _names(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _names(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_every_command_and_key_is_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in _names(main):
        assert f"`prunescope {name}" in text
    for _, command in commands():
        result = result_of(command)
        for key, word, _ in keys(result):
            assert word, f"{result.__name__}.{key} has no word on it"
            assert f"`{key}`" in text


@pytest.mark.parametrize("command", [command for _, command in commands()], ids=[n for n, _ in commands()])
def test_every_option_is_in_the_page(command: click.Command) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for parameter in command.params:
        for spelling in (*parameter.opts, *parameter.secondary_opts):
            if isinstance(parameter, click.Option):
                assert f"{spelling} " in text or f"{spelling}`" in text, spelling


class _Row(TypedDict):
    kl: Annotated[float, "a figure"]


class _Result(TypedDict):
    rows: Annotated[list[_Row], "rows"]
    best: Annotated[_Row | None, "one of them"]
    more: NotRequired[Annotated[int, "sometimes"]]


def test_keys_are_held_against_the_type_down_to_the_rows() -> None:
    good: dict[str, Any] = {"rows": [{"kl": 1.0}], "best": None}
    check_keys(good, _Result)
    check_keys({**good, "more": 1, "best": {"kl": 2.0}}, _Result)
    assert [key for key, _, _ in keys(_Result)] == ["rows", "rows[].kl", "best", "best.kl", "more"]
    assert [key for key, _, always in keys(_Result) if not always] == ["more"]
    mistakes: list[dict[str, Any]] = [
        {"rows": []},
        {**good, "other": 1},
        {**good, "rows": [{"kl": 1.0}, {}]},
        {**good, "best": {"kl": 1.0, "perplexity": 2.0}},
    ]
    for wrong in mistakes:
        with pytest.raises(AssertionError):
            check_keys(wrong, _Result)
