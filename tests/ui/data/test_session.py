"""The session's choice: settings and addresses read and written."""

import pytest

from pruning.errors import PruningError
from pruning.ui.data import session
from tests.support.synthetic import groups

GROUPS = groups(6)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("up=0.5", ["up=0.5"]),
        ("up=0.5,down@0-3,5=0.1, gate=0.2", ["up=0.5", "down@0-3,5=0.1", "gate=0.2"]),
        ("down@1,2,3=0.4,all=0.1", ["down@1,2,3=0.4", "all=0.1"]),
    ],
)
def test_settings_in_one_line_are_taken_apart(text: str, parts: list[str]) -> None:
    assert session.split_settings(text) == parts


def test_an_address_written_and_read_is_the_same_choice() -> None:
    choice = session.Choice(
        model="/models/a b",
        dtype="bfloat16",
        criterion="wanda",
        settings=("up=0.5", "down@0-3,5=0.1"),
        locks=("gate", "12"),
        pins=(session.Pin("half: it", "all=0.5"), session.Pin("two", "up=0.1")),
    )
    params = session.to_address(choice)
    read = session.from_address({k: v if isinstance(v, list) else [v] for k, v in params.items()})
    assert read == choice


def test_a_link_cannot_switch_on_what_runs_code() -> None:
    choice = session.from_address({"model": ["x"], "trust_remote_code": ["true"], "allow_pickle": ["1"]})
    assert not choice.trust_remote_code
    assert not choice.allow_pickle
    trusting = session.Choice(model="x", trust_remote_code=True, allow_pickle=True)
    assert session.to_address(trusting) == {"model": "x"}


def test_a_plan_in_one_line_that_cannot_be_read_is_a_mistake_of_the_user() -> None:
    with pytest.raises(PruningError):
        session.parse("up=2", GROUPS)


def test_a_criterions_alias_in_an_address_is_its_stored_name() -> None:
    assert session.from_address({"criterion": ["sparsegpt-ec"]}).criterion == "corrected"
