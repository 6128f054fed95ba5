"""The options of all commands."""

import click
import pytest

from pruning.cli import main
from pruning.cli.reference.markdown import commands
from pruning.engine.criteria import CRITERIA

ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_help(name: str) -> None:
    command = ALL[name]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_the_help_names_every_criterion() -> None:
    [option] = [option for option in ALL["map"].params if option.name == "criterion"]
    assert isinstance(option, click.Option)
    assert (option.help or "").partition(": ")[2].rstrip(".").split(", ") == list(CRITERIA)


def test_a_command_keeps_the_name_it_had_and_lists_the_new_one() -> None:
    context = click.Context(main)
    listed = main.get_help(context)
    assert "  calibrate " in listed
    assert "  teach " not in listed
    former, now = main.commands["teach"], main.commands["calibrate"]
    assert former.callback is now.callback
    assert former.params == now.params
