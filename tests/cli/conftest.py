"""Commands, run in this process on a workspace of the test file's own."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pruning.cli import main
from tests.support.alone import exports_share_a_process, process_alone
from tests.support.result_keys import check_printed

__all__ = ["exports_share_a_process", "process_alone"]

Call = Callable[..., Any]
Parsed = Callable[[str], tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for the commands of a file, with a text long enough to score with."""
    folder = tmp_path_factory.mktemp("workspace")
    words = "the quick brown fox jumps over the lazy dog and the river runs to the sea while "
    lines = [f"{number} {words[number % 40 :]}{words}" for number in range(400)]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def call(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command; on success the JSON of its last line of standard output, which has the keys of its type.

    With `fails` what it says on standard error.
    """
    monkeypatch.setenv("PRUNESCOPE_HOME", str(workspace / "home"))

    def run(*words: Any, fails: bool = False) -> Any:
        result = CliRunner().invoke(main, [str(word) for word in words])
        if fails:
            assert result.exit_code == 1, result.output
            assert isinstance(result.exception, SystemExit)
            assert result.stdout == ""
            return result.stderr
        assert result.exit_code == 0, result.output + repr(result.exception)
        printed = json.loads(result.stdout.splitlines()[-1])
        check_printed(str(words[0]), printed)
        return printed

    return run


@pytest.fixture
def parsed() -> Parsed:
    """What click makes of one shell line: the command and its parameters."""

    def parse(line: str) -> tuple[str, dict[str, Any]]:
        program, name, *words = shlex.split(line)
        assert program == "prunescope"
        return name, main.commands[name].make_context(name, words).params

    return parse
